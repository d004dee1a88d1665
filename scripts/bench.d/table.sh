# Sourced by scripts/bench (bash): the table, its aims, and what went wrong.
#
# A row has cells by the name of their column, or one free text.  An aim says
# what a cell should be; those of a row stand below it, with the verdict.

declare -A CELL AIM VERDICT
ROWS=()
ROW=
FAILED=0
MISSED=0

# name, heading, width
COLUMNS=(
    "cpu_us     CPU,us   7"
    "cpu        CPU,x    7"
    "spread     spread  12"
    "rate       req/s,x  9"
    "calls      calls    7"
    "commands   cmds     6"
    "trips      trips    6"
    "aside      aside    7"
    "p50        p50,x    8"
    "p99        p99,x    8"
)


# asked NAME...: is one of these rows asked for

asked() {
    local name

    for name in "$@"; do
        [[ ! $name =~ $ONLY ]] || return 0
    done

    return 1
}


# row NAME: begins one, if it is asked for

row() {
    asked "$1" || return 1

    ROW=$1
    ROWS+=("$ROW")
    say "$ROW"
}


# put COLUMN [FORMAT] VALUE

put() {
    if [ $# = 3 ]; then
        # shellcheck disable=SC2059
        CELL[$ROW,$1]=$(printf "$2" "$3")
    else
        CELL[$ROW,$1]=$2
    fi
}


# what the row holds in the place of figures

text() {
    CELL[$ROW,text]=$*
}


# failed REASON...: this row could not be measured

failed() {
    say "$ROW: $*"
    [ -n "${CELL[$ROW,failed]:-}" ] || FAILED=$((FAILED + 1))
    CELL[$ROW,failed]=1
}


# aim COLUMN '<='|'>=' NUMBER

aim() {
    local value=${CELL[$ROW,$1]:-}

    [ -z "${CELL[$ROW,failed]:-}" ] || return 0
    value=${value%\*}

    AIM[$ROW,$1]=$2$3

    if awk "BEGIN { exit !($value $2 $3) }"; then
        VERDICT[$ROW]=${VERDICT[$ROW]:-ok}
    else
        [ "${VERDICT[$ROW]:-ok}" != ok ] || VERDICT[$ROW]=MISSED:
        VERDICT[$ROW]+=" $1"
        MISSED=$((MISSED + 1))
    fi
}


# aims for a row of text: aim_text 'WHAT IS AIMED AT' CONDITION

aim_text() {
    [ -z "${CELL[$ROW,failed]:-}" ] || return 0

    AIM[$ROW,text]=$1

    if awk "BEGIN { exit !($2) }"; then
        VERDICT[$ROW]=ok
    else
        VERDICT[$ROW]=MISSED
        MISSED=$((MISSED + 1))
    fi
}


table() {
    local column name heading width

    printf '%-38s' case
    for column in "${COLUMNS[@]}"; do
        read -r name heading width <<< "$column"
        printf "%${width}s" "${heading/,/ }"
    done
    printf '\n'

    for name in "${ROWS[@]}"; do
        table_row "$name"
    done

    printf '\n'
    if [ $FAILED != 0 ]; then
        printf '%s of the rows could not be measured.\n' "$FAILED"
    fi
    if [ $MISSED != 0 ]; then
        printf '%s of the aims are missed.\n' "$MISSED"
    fi
    if [ $FAILED = 0 ] && [ $MISSED = 0 ]; then
        printf 'All aims are reached.\n'
    fi
}


table_row() {
    local row=$1

    if [ -n "${CELL[$row,failed]:-}" ]; then
        printf '%-38s %s\n' "$row" "NOT MEASURED"
        return
    fi

    if [ -n "${CELL[$row,text]:-}" ]; then
        printf '%-38s %s\n' "$row" "${CELL[$row,text]}"
        [ -z "${AIM[$row,text]:-}" ] || printf '%-38s %s   %s\n' \
            "    aim" "${AIM[$row,text]}" "${VERDICT[$row]}"
        return
    fi

    table_cells CELL "$row" "$row"
    printf '\n'

    if [ -n "${VERDICT[$row]:-}" ]; then
        table_cells AIM "$row" "    aim"
        printf '   %s\n' "${VERDICT[$row]}"
    fi
}


# table_cells ARRAY ROW FIRST-CELL

table_cells() {
    local -n array=$1
    local column name heading width

    printf '%-38s' "$3"
    for column in "${COLUMNS[@]}"; do
        read -r name heading width <<< "$column"
        printf "%${width}s" "${array[$2,$name]:--}"
    done
}
