# report.sh: runs test functions one by one and prints what became of them, as `cargo test` does.
# Sourced. A test is a function named `test_…`, run in a subshell with `set -e`; its output is shown when it fails.
# shellcheck shell=bash

# run_tests SUITE [PART OF A NAME]: runs all test functions, in the order in which they are written.
run_tests() {
    local suite=$1 wanted=${2:-} name passed=0 log status failed=()
    log=$(mktemp)
    while read -r name; do
        [[ $name == *"$wanted"* ]] || continue
        set +e
        (set -e; trap - EXIT; "$name") >"$log" 2>&1
        status=$?
        set -e
        if [[ $status == 0 ]]; then
            echo "test $suite::${name#test_} ... ok"
            passed=$((passed + 1))
        else
            echo "test $suite::${name#test_} ... FAILED"
            failed+=("$suite::${name#test_}")
            sed 's/^/    /' "$log"
        fi
    done < <(grep -oE '^test_[a-z0-9_]+' "$0")
    rm -f "$log"
    if [[ ${#failed[@]} == 0 ]]; then
        echo "test result: ok. $passed passed; 0 failed; 0 ignored; 0 measured; 0 filtered out"
        return 0
    fi
    echo
    echo 'failures:'
    printf '    %s\n' "${failed[@]}"
    echo "test result: FAILED. $passed passed; ${#failed[@]} failed; 0 ignored; 0 measured; 0 filtered out"
    return 1
}

# fail WORDS: says what is wrong and ends the test.
fail() {
    echo "$*" >&2
    exit 1
}

# equal ACTUAL EXPECTED
equal() {
    [[ $1 == "$2" ]] || fail "expected: $2"$'\n'"     got: $1"
}
