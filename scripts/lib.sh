# Sourced by the other scripts (bash): where things are, and what must be
# installed.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=${BUILD_DIR:-$ROOT/build}
unset NGINX                        # nginx would take it for sockets to inherit
NGINX_BIN=${NGINX_BIN:-$(PATH=$PATH:/usr/sbin:/usr/local/sbin type -P nginx || true)}

# shellcheck disable=SC2034  # read by the scripts that source this file
MODULE=$BUILD/ngx_http_api_key_module.so

BUILD_PACKAGES="gcc make libc6-dev nginx libhiredis-dev libjansson-dev
                libssl-dev zlib1g-dev libpcre2-dev"
TEST_PACKAGES="redis-server|valkey-server perl curl nghttp2-client
               python3-minimal procps prometheus"
NODE_PACKAGES="nodejs npm"
BROWSER_PACKAGES="chromium"
LINT_PACKAGES="cppcheck clang-tidy shellcheck"
SOURCE_PACKAGES="dpkg-dev"
FUZZ_PACKAGES="clang libclang-rt-dev"
VALGRIND_PACKAGES="valgrind"
BENCH_PACKAGES="redis-server haproxy strace valgrind"
MATRIX_PACKAGES="debootstrap debian-archive-keyring iproute2"

# Services that Debian starts when their package is installed
SERVICES="nginx redis-server valkey-server haproxy prometheus"


say() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
}


die() {
    say "$*"
    exit 1
}


# need build|test|browser|lint|source|fuzz|valgrind|bench|matrix...: installs what
# is missing for these jobs; of a|b one will do, and the first that there is comes

need() {
    local job missing=() packages=

    for job in "$@"; do
        case $job in
        build)
            packages+=" $BUILD_PACKAGES"
            # another source tree needs no source package
            [ -n "${NGINX_SRC:-}" ] || packages+=" nginx-dev"
            ;;
        test)
            packages+=" $TEST_PACKAGES"
            # nodejs of another origin may bring its own npm
            type -P node > /dev/null && type -P npm > /dev/null \
                || packages+=" $NODE_PACKAGES"
            ;;
        browser) packages+=" $BROWSER_PACKAGES" ;;
        lint) packages+=" $LINT_PACKAGES" ;;
        bench) packages+=" $BENCH_PACKAGES" ;;
        source) packages+=" $SOURCE_PACKAGES" ;;
        fuzz) packages+=" $FUZZ_PACKAGES" ;;
        valgrind) packages+=" $VALGRIND_PACKAGES" ;;
        matrix) packages+=" $MATRIX_PACKAGES" ;;
        esac
    done

    if ! type -P dpkg-query > /dev/null; then
        say "not a Debian system: taking for granted that these are" \
            "installed:" $packages
        return
    fi

    for package in $packages; do
        installed ${package//|/ } || missing+=("$package")
    done

    if [ ${#missing[@]} -gt 0 ]; then
        install_packages "${missing[@]}"
    fi

    # nginx may have come just now
    NGINX_BIN=${NGINX_BIN:-$(PATH=$PATH:/usr/sbin type -P nginx || true)}
}


# need_npm DIR: installs what its package-lock.json names, in the folder itself

need_npm() {
    local dir=$1 stamp=$1/node_modules/.installed log=$BUILD/npm.log

    mkdir -p "$BUILD"

    # a subshell: the lock goes with it
    (
        exec 9> "$BUILD/.npm.lock"
        flock 9

        [ ! "$stamp" -nt "$dir/package-lock.json" ] || exit 0

        say "installing what ${dir#"$ROOT"/}/package-lock.json names"
        (cd "$dir" && npm ci --ignore-scripts --no-audit --no-fund) \
            < /dev/null > "$log" 2>&1 \
            || { tail -n 20 "$log" >&2
                 die "npm failed, see build/npm.log"; }
        touch "$stamp"
    ) || exit 1
}


# installed NAME...: one of these is

installed() {
    dpkg-query -W -f='${db:Status-Status}\n' "$@" 2> /dev/null \
        | grep -qx installed
}


# known NAME: apt has such a package

known() {
    apt-cache show "$1" > /dev/null 2>&1
}


# of each a|b the first that apt knows

available() {
    local package name

    for package in "$@"; do
        for name in ${package//|/ }; do
            ! known "$name" || break
        done
        echo "$name"
    done
}


install_packages() {
    if [ "$(id -u)" != 0 ]; then
        say "these packages are missing, and only root can install them:"
        die "apt-get install --no-install-recommends" $(available "$@")
    fi

    say "installing $*"
    mkdir -p "$BUILD"

    # a subshell: its exit trap must not replace the caller's
    (
        exec 9> "$BUILD/.deps.lock"
        flock 9

        before=$(running_services)
        hold_services
        trap 'release_services' EXIT
        trap 'exit 130' INT TERM HUP

        export DEBIAN_FRONTEND=noninteractive
        options=(-y --no-install-recommends -o DPkg::Lock::Timeout=300)

        apt-get update -qq < /dev/null > "$BUILD/apt.log" 2>&1 \
            && set -- $(available "$@") \
            && apt-get install "${options[@]}" "$@" < /dev/null \
               >> "$BUILD/apt.log" 2>&1 \
            || { tail -n 20 "$BUILD/apt.log" >&2
                 die "apt-get failed, see build/apt.log"; }

        keep_disabled "$@"
        settle_services "$before"
    ) || exit 1
}


# Debian's packages ask policy-rc.d whether they may start their service.  Ours
# says no while we install; one that was there before comes back afterwards.

POLICY=/usr/sbin/policy-rc.d
POLICY_MARK="# ngx_http_api_key_module: temporary, says no to every start"


hold_services() {
    release_services              # what a killed run may have left behind

    if [ -e $POLICY ]; then
        mv $POLICY $POLICY.api-key-saved
    fi

    printf '#!/bin/sh\n%s\nexit 101\n' "$POLICY_MARK" > $POLICY
    chmod 755 $POLICY
}


release_services() {
    if grep -qsF "$POLICY_MARK" $POLICY; then
        rm -f $POLICY
    fi

    if [ -e $POLICY.api-key-saved ]; then
        mv $POLICY.api-key-saved $POLICY
    fi
}


# "name pid..." of each service's processes, one service a line

running_services() {
    local service pids

    for service in $SERVICES; do
        pids=$(processes "$service")
        [ -z "$pids" ] || echo "$service $pids"
    done
}


# the ids of the processes of this name; pgrep may be what is to be installed

processes() {
    grep -lsxF "$1" /proc/[0-9]*/comm | cut -d / -f 3 | sort -n | tr '\n' ' '
}


# nothing that we installed shall start at the next boot either

keep_disabled() {
    local package

    type -P systemctl > /dev/null || return 0

    for package in "$@"; do
        case " $SERVICES " in
        *" $package "*)
            systemctl --quiet disable "$package" > /dev/null 2>&1 || true
            say "$package is installed and neither started nor enabled"
            ;;
        esac
    done
}


# compares with what ran before: stops what is new, complains of what is gone

settle_services() {
    local before=$1 service

    for service in $SERVICES; do
        if grep -q "^$service " <<< "$before"; then
            [ -n "$(processes "$service")" ] \
                || say "warning: $service ran before and does not any more"

        elif [ -n "$(processes "$service")" ]; then
            say "stopping $service, which the installation has started"
            service "$service" stop > /dev/null 2>&1 || true
        fi
    done
}


# free_ports N: so many ports of loopback where nobody listens, below those that
# the kernel takes for outgoing connections

free_ports() {
    perl -MIO::Socket::INET -e '
        my ($n, @sockets) = shift;
        for (1 .. 1000) {
            push @sockets, IO::Socket::INET->new(Listen => 1,
                LocalAddr => "127.0.0.1:" . (15000 + int rand 15000)) || ();
            last if @sockets == $n;
        }
        @sockets == $n or die "no free ports\n";
        print join " ", map { $_->sockport } @sockets' "$1"
}


# port N: does someone listen there

port() {
    (exec 3<> "/dev/tcp/127.0.0.1/$1") 2> /dev/null
}


# wait_for COMMAND...: until it succeeds, for some seconds

wait_for() {
    local tries

    for (( tries = 0; tries < 100; tries++ )); do
        "$@" && return 0
        sleep 0.1
    done

    return 1
}
