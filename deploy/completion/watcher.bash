_watcher_completion() {
    local line=${COMP_LINE:0:COMP_POINT} type value typed before
    COMPREPLY=()
    while IFS=, read -r type value; do
        case $type in
            typed) typed=$value ;;
            plain) COMPREPLY+=("$value") ;;
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
        esac
    done < <(_WATCHER_COMPLETE=bash_complete COMP_LINE=$line "$1" 2>/dev/null)
    for value in : =; do
        if [[ $COMP_WORDBREAKS == *$value* && $typed == *$value* ]]; then
            before=${typed%"${typed##*$value}"}
            COMPREPLY=("${COMPREPLY[@]#"$before"}")
            typed=${typed#"$before"}
        fi
    done
}
complete -o nosort -F _watcher_completion watcher
