# Sourced by scripts/bench (bash): measures and fills the row's cells.
#
# A list of keys is named by its file, with ":walk" or ":zipf" behind it where
# they are not chosen all alike.

# shellcheck disable=SC2034         # some names are for scripts/bench
declare -A FIG                     # what bench.d/figures has found


# stream ROLE NAME KEYS [WORD...]: the words that describe it to bench.d/load

stream() {
    local file=${3%:*} order=uniform words

    [ "$file" = "$3" ] || order=${3#*:}
    words=name=$1,port=${PORT[$2]:-},pid=${PID[$2]:-}
    words+=,keys=$DIR/$file,order=$order

    [ -z "${EXPECT[$2]:-}" ] || words+=,expect=${EXPECT[$2]}

    printf '%s' "$words"
    shift 3
    [ $# = 0 ] || printf ',%s' "$@"
}


# load WORD...: prints its lines

load() {
    "$DIR/load" "$@"
}


# measure WORD...: the load's lines, compared

measure() {
    if ! load "$@" > "$DIR/lines" 2> "$DIR/why"; then
        failed "$(< "$DIR/why")"
        return 1
    fi

    { echo "# $ROW"; cat "$DIR/lines"; } >> "$BUILD/bench.log"

    if ! "$HERE/figures" < "$DIR/lines" > "$DIR/figures" 2> "$DIR/why"; then
        failed "$(< "$DIR/why")"
        return 1
    fi

    read_figures
}


# the lines NAME=VALUE that one of our programs has printed

read_figures() {
    local name value

    FIG=()
    while IFS='=' read -r name value; do
        FIG["$name"]=$value
    done < "$DIR/figures"
}


# runs NAME...: all of them

runs() {
    local name

    for name in "$@"; do
        if [ -z "${PID[$name]:-}" ]; then
            failed "$name does not run"
            return 1
        fi
    done
}


# warm NAME FILE: each key once

warm() {
    runs "$1" || return

    load rounds=0 "$(stream warm "$1" "$2:walk" \
        count=$(wc -l < "$DIR/$2"))" > /dev/null 2> "$DIR/why" && return

    failed "$(< "$DIR/why")"
    return 1
}


# compare BASE THIS KEYS [BASE-KEYS]
#
# CPU time: both proxies at the same time on the same core, with half of the
# connections each.  Taking turns as for the throughput, one of two equal ones
# seems up to four times as far off: on a virtual machine the core itself
# changes from second to second, and that hits both alike.  What is gained by
# handling several events at once is the same for both, too.
#
# Throughput: each alone, by turns, all connections.

compare() {
    local base=$1 this=$2 keys=$3 base_keys=${4:-$3} before

    runs "$base" "$this" || return

    measure slice="$SLICE" rounds="$ROUNDS" \
        "$(stream base "$base" "$base_keys" conns=16)" \
        "$(stream this "$this" "$keys" conns=16)" || return

    BASE_CPU=${FIG[cpu_base]}
    put cpu_us %.1f "${FIG[cpu_this]}"
    put cpu %.3f "${FIG[cpu]}"
    put spread "$(printf '%.2f-%.2f' "${FIG[cpu_low]}" "${FIG[cpu_high]}")"

    before=$(redis_commands)

    measure slice="$SLICE" rounds="$ROUNDS" watch="${ASIDE[$this]:-0}" \
        "$(stream base "$base" "$base_keys" phase=0)" \
        "$(stream this "$this" "$keys" phase=1)" || return

    BASE_RATE=${FIG[rate_base]}
    put rate %.3f "${FIG[rate]}"
    put commands "$(per_request $(($(redis_commands) - before)) \
                    "${FIG[requests_this]}")"
    put aside %.1f "${FIG[watch_this]}"

    # then it is not the proxy's speed that was measured
    if awk "BEGIN { exit !(${FIG[busy_this]} < 0.9) }"; then
        CELL["$ROW,rate"]+='*'
    fi
}


# latency BASE THIS KEYS: at a fixed rate far below what both can do

latency() {
    runs "$1" "$2" || return

    measure slice="$LATENCY_SLICE" rounds="$LATENCY_ROUNDS" \
        "$(stream base "$1" "$3" rate=$LATENCY_RATE conns=16 phase=0)" \
        "$(stream this "$2" "$3" rate=$LATENCY_RATE conns=16 phase=1)" || return

    put p50 %.2f "${FIG[p50]}"
    put p99 %.2f "${FIG[p99]}"
}


# calls THIS KEYS: system calls and Redis round trips a request, when there is
# one request at a time

calls() {
    local pid=${PID[$1]:-} tracer before after n=$COUNT

    runs "$1" || return

    strace -c -o "$DIR/strace" -p "$pid" > "$DIR/why" 2>&1 &
    tracer=$!

    if ! wait_for traced "$pid"; then
        failed "strace: $(< "$DIR/why")"
        return 1
    fi

    before=$(redis_reads)

    load rounds=0 "$(stream this "$1" "$2" conns=1 count="$n")" \
        > "$DIR/lines" 2> "$DIR/why" \
        || failed "$(< "$DIR/why")"

    after=$(redis_reads)

    kill -INT $tracer
    wait $tracer

    # a decimal is enough to tell one call; accepting the connection is in it
    put calls %.1f "$(awk -v n="$n" '
        $1 ~ /^[0-9]/ && $NF != "total" { calls += $4 }
        END { print calls / n }' "$DIR/strace")"

    # asking for it has been read too
    put trips "$(per_request $((after - before - 1)) "$n")"
}


traced() {
    grep -q '^TracerPid:[[:space:]]*[1-9]' "/proc/$1/status"
}


# All that was sent, but what keeps a link alive.  Only scripts read and write
# single fields here, the note of last uses for one: a script counts once.

redis_commands() {
    redis info commandstats | awk -F '[:=,]' '
        /^cmdstat_/ && !/^cmdstat_(info|ping|echo|hget:|hset:|hdel:)/ { n += $3 }
        END { print n + 0 }'
}


redis_reads() {
    redis info stats | tr -d '\r' | sed -n 's/^total_reads_processed://p'
}


redis_memory() {
    redis info memory | tr -d '\r' | sed -n 's/^used_memory://p'
}


# 0 is 0: what little Redis is asked by the idle ones is not ours

per_request() {
    awk -v n="$1" -v requests="$2" 'BEGIN {
        x = n / requests
        printf "%s", (x < 0.005) ? "0" : sprintf("%.2f", x)
    }'
}
