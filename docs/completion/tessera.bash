# bash completion for tessera; written by 'tessera completion bash'.
_tessera()
{
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]} options=
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W 'eval info plot sample cluster scheduler worker status stop cert help completion --help --version' -- "$cur"))
        return
    fi
    case $command in
    eval)
        options='--output --format --deflate --plot --cmap --robust --min --max --title --width --threads --memory --scratch --chunks --udf --explain --visualize --graph --trace --json --cluster --secret-file --ca --cert --key --progress --quiet --help '
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
        --cluster) return ;;
        esac ;;
    info)
        options='--json --help '
        case $prev in
        esac ;;
    plot)
        options='--output --histogram --bins --cmap --robust --min --max --title --width --threads --memory --scratch --cluster --secret-file --ca --cert --key --progress --quiet --help '
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
        --cluster) return ;;
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
    cluster)
        options='--workers --threads --memory --scratch --listen --journal --scheduler-file --resources --libraries --python --secret-file --ca --cert --key --log-level --log-format --log-file --help '
        case $prev in
        --workers|-n) return ;;
        --threads|-j) return ;;
        --memory|-m) return ;;
        --scratch) COMPREPLY=($(compgen -d -- "$cur")); return ;;
        --listen) return ;;
        --resources) return ;;
        --libraries) return ;;
        --log-level) COMPREPLY=($(compgen -W 'debug info warning error' -- "$cur")); return ;;
        --log-format) COMPREPLY=($(compgen -W 'text json' -- "$cur")); return ;;
        esac ;;
    scheduler)
        options='--listen --journal --scheduler-file --secret-file --ca --cert --key --log-level --log-format --log-file --help '
        case $prev in
        --listen) return ;;
        --log-level) COMPREPLY=($(compgen -W 'debug info warning error' -- "$cur")); return ;;
        --log-format) COMPREPLY=($(compgen -W 'text json' -- "$cur")); return ;;
        esac ;;
    worker)
        options='--threads --memory --scratch --name --scheduler-file --listen --resources --libraries --python --grace --secret-file --ca --cert --key --log-level --log-format --log-file --help '
        case $prev in
        --threads|-j) return ;;
        --memory|-m) return ;;
        --scratch) COMPREPLY=($(compgen -d -- "$cur")); return ;;
        --name) return ;;
        --listen) return ;;
        --resources) return ;;
        --libraries) return ;;
        --grace) return ;;
        --log-level) COMPREPLY=($(compgen -W 'debug info warning error' -- "$cur")); return ;;
        --log-format) COMPREPLY=($(compgen -W 'text json' -- "$cur")); return ;;
        esac ;;
    status)
        options='--watch --json --secret-file --ca --cert --key --help '
        case $prev in
        esac ;;
    stop)
        options='--secret-file --ca --cert --key --help '
        case $prev in
        esac ;;
    cert)
        options='--name --days --help '
        case $prev in
        --name) return ;;
        --days) return ;;
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
