# To be sourced: `again COMMAND [ARGUMENT...]` runs a command, and again when it fails. What fetches over a network may fail
# for a moment; what fails for good does so some tries later.
again() {
  local try
  for try in 1 2 3; do
    "$@" && return
    echo "$1 failed; tried again in $((try * 10)) s" >&2
    sleep $((try * 10))
  done
  "$@"
}
