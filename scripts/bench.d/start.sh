# Sourced by scripts/bench (bash): the processes that are measured, and those
# that are needed for it.  Each has a name; PORT, PID and so on are by name.

# shellcheck disable=SC2034,SC2207  # some names are for the other files
declare -A PORT                    # where it listens
declare -A PID                     # of the process that does the work
declare -A EXPECT                  # the status of all answers, if it is one
declare -A ASIDE                   # whose CPU time it needs besides its own
FREE=()


# The proxy has a core of its own.  Load, backend, Redis and the service have
# the others, but none that shares its hardware with the proxy's.

choose_cores() {
    local allowed=() siblings range first last core

    while IFS=- read -r first last; do
        for (( core = first; core <= ${last:-first}; core++ )); do
            allowed+=("$core")
        done
    done < <(taskset -cp $$ | sed 's/.*: //' | tr ',' '\n')

    [ ${#allowed[@]} -ge 2 ] || die "two cores are needed, one is here"

    GATE_CORE=${allowed[0]}
    siblings=$(cat "/sys/devices/system/cpu/cpu$GATE_CORE/topology/core_cpus_list" \
               2> /dev/null) || true

    LOAD_CORES=
    for core in "${allowed[@]:1}"; do
        for range in ${siblings//,/ }; do
            first=${range%-*} last=${range#*-}
            if [ "$core" -ge "$first" ] && [ "$core" -le "$last" ]; then
                continue 2
            fi
        done
        LOAD_CORES+=${LOAD_CORES:+,}$core
    done

    # a core's two threads are better than nothing
    LOAD_CORES=${LOAD_CORES:-${allowed[1]}}

    taskset -cp "$LOAD_CORES" $$ > /dev/null    # and all that we start
}


# start NAME CORES COMMAND...: in the background, until it listens

start() {
    local name=$1 cores=$2
    shift 2

    taskset -c "$cores" "$@" < /dev/null > "$DIR/$name.out" 2>&1 &
    PID[$name]=$!

    wait_for port "${PORT[$name]}" && return

    cat "$DIR/$name.out" "$DIR/$name.log" >&2 2> /dev/null
    say "$name did not start"
    unset "PID[$name]"
    return 1
}


# a port for NAME; they were reserved together

new_port() {
    PORT[$1]=${FREE[0]}
    FREE=("${FREE[@]:1}")
}


# start_nginx NAME CONF CORES [NAME=VALUE...]: with bench.d/conf/CONF, where
# @NAME@ is replaced by VALUE.  WORKERS says how many there are, UNDER in what
# it shall run, MAIN adds a directive.

start_nginx() {
    local name=$1 cores=$3 worker

    [ -n "${PORT[$name]:-}" ] || new_port "$name"
    render "$2" "$name.conf" PORT="${PORT[$name]}" "${@:4}"

    start "$name" "$cores" ${UNDER:-} "$NGINX_BIN" -p "$DIR/" \
        -c "$DIR/$name.conf" -e "$DIR/$name.log" \
        -g "pid $name.pid; worker_processes ${WORKERS:-1}; ${MAIN:-}" || return

    # it is the worker that works, where there is one
    worker=$(pgrep -P "${PID[$name]}" | head -n 1)
    PID[$name]=${worker:-${PID[$name]}}
}


# render CONF FILE [NAME=VALUE...]

render() {
    local file=$2 word text

    text=$(< "$HERE/conf/$1")
    shift 2

    for word in "$@" DIR="$DIR" LUA="$LUA" MODULE="$MODULE" \
                BACKEND="${PORT[backend]}" REDIS="${PORT[redis]}"
    do
        text=${text//"@${word%%=*}@"/${word#*=}}
    done

    printf '%s\n' "$text" > "$DIR/$file"
}


start_redis() {
    new_port redis

    start redis "$LOAD_CORES" redis-server --port "${PORT[redis]}" \
        --bind 127.0.0.1 --save '' --appendonly no --dir "$DIR"
}


redis() {
    redis-cli -p "${PORT[redis]}" "$@"
}


# Debian's Lua module and libraries, unpacked and not installed: the packages
# would switch on a score of modules in the machine's nginx.

unpack_lua() {
    local depends packages=(libnginx-mod-http-ndk libnginx-mod-http-lua
                            lua-resty-core lua-resty-lrucache
                            lua-nginx-redis lua-nginx-string)

    LUA=$BUILD/bench-lua
    [ ! -e "$LUA/complete" ] || return 0

    rm -rf "$LUA"
    mkdir -p "$LUA/packages"

    # the shared libraries that it links to; of two LuaJITs its first choice
    depends=$(apt-cache depends libnginx-mod-http-lua 2> /dev/null)
    packages+=($(grep -oE 'libluajit[^ ]*' <<< "$depends" | head -n 1)
               $(grep -oE 'libpcre[^ ]*' <<< "$depends" | head -n 1))

    (
        cd "$LUA/packages" || exit
        apt-get download "${packages[@]}" || exit

        for package in *.deb; do
            dpkg-deb -x "$package" "$LUA" || exit
        done
    ) > "$BUILD/bench-lua.log" 2>&1 < /dev/null || {
        say "nginx's Lua module could not be fetched, see build/bench-lua.log"
        return 1
    }

    touch "$LUA/complete"
}


# only what still runs: the numbers of the others may be in use again

stop_all() {
    local pids

    pids=$(jobs -pr)
    [ -z "$pids" ] || kill $pids 2> /dev/null
    wait
}
