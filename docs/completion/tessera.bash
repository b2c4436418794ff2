# bash completion for tessera; written by 'tessera completion bash'.
_tessera()
{
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]} options=
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W 'eval info plot sample help completion --help --version' -- "$cur"))
        return
    fi
    case $command in
    eval)
        options='--output --format --deflate --plot --cmap --robust --min --max --title --width --threads --memory --scratch --chunks --udf --explain --visualize --graph --trace --json --progress --quiet --help '
        case $prev in
        --format) COMPREPLY=($(compgen -W 'nc nc4 npy' -- "$cur")); return ;;
        --deflate) return ;;
        --cmap) COMPREPLY=($(compgen -W 'viridis magma cividis gray RdBu RdBu_r' -- "$cur")); return ;;
        --min) return ;;
        --max) return ;;
        --title) return ;;
        --width) return ;;
        --threads|-j) return ;;
        --memory|-m) return ;;
        --scratch) COMPREPLY=($(compgen -d -- "$cur")); return ;;
        --chunks) return ;;
        --graph) COMPREPLY=($(compgen -W 'expression plan' -- "$cur")); return ;;
        esac ;;
    info)
        options='--json --help '
        case $prev in
        esac ;;
    plot)
        options='--output --histogram --bins --cmap --robust --min --max --title --width --threads --memory --scratch --progress --quiet --help '
        case $prev in
        --bins) return ;;
        --cmap) COMPREPLY=($(compgen -W 'viridis magma cividis gray RdBu RdBu_r' -- "$cur")); return ;;
        --min) return ;;
        --max) return ;;
        --title) return ;;
        --width) return ;;
        --threads|-j) return ;;
        --memory|-m) return ;;
        --scratch) COMPREPLY=($(compgen -d -- "$cur")); return ;;
        esac ;;
    sample)
        options='--days --start --format --deflate --dtype --grid --images --seed --threads --progress --quiet --help '
        case $prev in
        --days) return ;;
        --start) return ;;
        --format) COMPREPLY=($(compgen -W 'nc3 nc4' -- "$cur")); return ;;
        --deflate) return ;;
        --dtype) COMPREPLY=($(compgen -W 'i16 f4' -- "$cur")); return ;;
        --grid) return ;;
        --images) return ;;
        --seed) return ;;
        --threads|-j) return ;;
        esac ;;
    help)
        options='--help '
        case $prev in
        esac ;;
    completion)
        options='--help '
        case $prev in
        esac ;;
    esac
    if [[ $cur == -* ]]; then
        COMPREPLY=($(compgen -W "$options" -- "$cur"))
    else
        COMPREPLY=($(compgen -f -- "$cur"))
    fi
}
complete -o filenames -F _tessera tessera
