#compdef tessera
# zsh completion for tessera; written by 'tessera completion zsh'.
_tessera()
{
    local -a names
    names=(
        'eval:compute expressions on the variables of files and print, write or draw the result'
        'info:show what is in files\: dimensions, variables, chunks, compression, sizes, attributes'
        'plot:draw a variable\: a map of two dimensions, a line of one, or a histogram'
        'sample:write sample data\: daily climate files and a stack of images'
        'cluster:run a cluster on this machine, until a signal or '\''tessera stop'\'' ends it'
        'scheduler:run the scheduler of a cluster, until a signal or '\''tessera stop'\'' ends it'
        'worker:run a worker of the cluster at ADDR, until a signal or the cluster'\''s end'
        'status:show the workers and the computations of a cluster'
        'stop:end a cluster, or some of its workers'
        'cert:make an authority and a certificate, for clusters on tls\:// addresses'
        'help:explain a command or a function, or list the functions of expressions'
        'completion:print the completion script for bash, zsh or fish'
    )
    if (( CURRENT == 2 )); then
        _describe command names
        return
    fi
    local command=$words[2]
    shift words
    (( CURRENT-- ))
    case $command in
    eval) _arguments \
        '(-o --output)'{-o,--output}'[write the result to FILE\: .nc (NetCDF-3), .nc4 (NetCDF-4) or .npy]:FILE:_files' \
        '--format[the format of FILE, whatever its name]:FORMAT:(nc nc4 npy)' \
        '--deflate[compress NetCDF-4, 0 to 9 (default\: 0)]:LEVEL: ' \
        '--plot[draw the result into FILE\: .png, .svg or .pdf]:FILE:_files' \
        '--cmap[colours (default\: viridis, or RdBu_r around zero)]:NAME:(viridis magma cividis gray RdBu RdBu_r)' \
        '--robust[limit the colours to the 2nd and 98th percentile]' \
        '--min[lower limit of the colours or of the vertical axis]:X: ' \
        '--max[upper limit of the colours or of the vertical axis]:X: ' \
        '--title[title (default\: the variable'\''s long_name)]:TEXT: ' \
        '--width[width of a PNG (default\: 1600)]:PIXELS: ' \
        '(-j --threads)'{-j,--threads}'[use N threads (default\: the processors this process may use)]:N: ' \
        '(-m --memory)'{-m,--memory}'[budget for blocks, such as 512M or 4G (default\: 60 % of what is left)]:SIZE: ' \
        '--scratch[where blocks are spilled when the budget is short (default\: TMPDIR or /tmp)]:DIR:_files -/' \
        '--chunks[chunks of the files'\'' variables and of new arrays\: 1000,1000 or time=4,latitude=-1]:LENGTHS: ' \
        '--udf[functions of your own from the C source FILE, called in EXPRESSIONS by their names (see docs/udf.md)]:FILE:_files' \
        '--explain[print how it would be computed; compute only with -o or --plot]' \
        '--visualize[draw the expression into FILE (.svg or .dot)]:FILE:_files' \
        '--graph[what --visualize draws (default\: expression)]:WHAT:(expression plan)' \
        '--trace[write every task'\''s time to FILE, for Perfetto or chrome\://tracing]:FILE:_files' \
        '--json[print results as JSON]' \
        '--cluster[compute on the cluster whose scheduler listens there, such as tcp\://head\:8786]:ADDR: ' \
        '--secret-file[a secret that both sides of every connection prove to know (default\: TESSERA_SECRET_FILE)]:FILE:_files' \
        '--ca[for tls\:// addresses\: the authority'\''s certificate; '\''tessera cert'\'' makes one]:FILE:_files' \
        '--cert[for tls\:// addresses\: the certificate of this process]:FILE:_files' \
        '--key[for tls\:// addresses\: the certificate'\''s key]:FILE:_files' \
        '(-p --progress)'{-p,--progress}'[show progress even when standard error is not a terminal]' \
        '(-q --quiet)'{-q,--quiet}'[show no progress and no remarks]' \
        '(-h --help)'{-h,--help}'[show this help]' \
        '*:file:_files' ;;
    info) _arguments \
        '--json[print JSON]' \
        '(-h --help)'{-h,--help}'[show this help]' \
        '*:file:_files' ;;
    plot) _arguments \
        '(-o --output)'{-o,--output}'[the picture\: .png, .svg or .pdf (default\: plot.png)]:FILE:_files' \
        '--histogram[draw how the values are distributed]' \
        '--bins[bins of the histogram (default\: 100)]:N: ' \
        '--cmap[colours (default\: viridis, or RdBu_r around zero)]:NAME:(viridis magma cividis gray RdBu RdBu_r)' \
        '--robust[limit the colours to the 2nd and 98th percentile]' \
        '--min[lower limit of the colours or of the vertical axis]:X: ' \
        '--max[upper limit of the colours or of the vertical axis]:X: ' \
        '--title[title (default\: the variable'\''s long_name)]:TEXT: ' \
        '--width[width of a PNG (default\: 1600)]:PIXELS: ' \
        '(-j --threads)'{-j,--threads}'[use N threads (default\: the processors this process may use)]:N: ' \
        '(-m --memory)'{-m,--memory}'[budget for blocks, such as 512M or 4G (default\: 60 % of what is left)]:SIZE: ' \
        '--scratch[where blocks are spilled when the budget is short (default\: TMPDIR or /tmp)]:DIR:_files -/' \
        '--cluster[compute on the cluster whose scheduler listens there, such as tcp\://head\:8786]:ADDR: ' \
        '--secret-file[a secret that both sides of every connection prove to know (default\: TESSERA_SECRET_FILE)]:FILE:_files' \
        '--ca[for tls\:// addresses\: the authority'\''s certificate; '\''tessera cert'\'' makes one]:FILE:_files' \
        '--cert[for tls\:// addresses\: the certificate of this process]:FILE:_files' \
        '--key[for tls\:// addresses\: the certificate'\''s key]:FILE:_files' \
        '(-p --progress)'{-p,--progress}'[show progress even when standard error is not a terminal]' \
        '(-q --quiet)'{-q,--quiet}'[show no progress and no remarks]' \
        '(-h --help)'{-h,--help}'[show this help]' \
        '*:file:_files' ;;
    sample) _arguments \
        '--days[number of daily files (default\: 30)]:N: ' \
        '--start[the first day (default\: 2014-01-01)]:DATE: ' \
        '--format[NetCDF-3 (default) or NetCDF-4]:FORMAT:(nc3 nc4)' \
        '--deflate[compress NetCDF-4 files, 0 to 9 (default\: 0)]:LEVEL: ' \
        '--dtype[packed 16-bit integers with scale_factor and add_offset (default), or 32-bit floats]:TYPE:(i16 f4)' \
        '--grid[number of latitudes and longitudes (default\: 721x1440)]:LATxLON: ' \
        '--images[also write stack.npy\: N frames of 512 x 512 16-bit pixels with drifting blobs (default\: 0)]:N: ' \
        '--seed[another planet and other weather (default\: 1)]:N: ' \
        '(-j --threads)'{-j,--threads}'[use N threads (default\: the processors this process may use)]:N: ' \
        '(-p --progress)'{-p,--progress}'[show progress even when standard error is not a terminal]' \
        '(-q --quiet)'{-q,--quiet}'[show no progress and no remarks]' \
        '(-h --help)'{-h,--help}'[show this help]' \
        '*:file:_files' ;;
    cluster) _arguments \
        '(-n --workers)'{-n,--workers}'[start N workers (default\: 2)]:N: ' \
        '(-j --threads)'{-j,--threads}'[use N threads in each (default\: the processors, shared equally)]:N: ' \
        '(-m --memory)'{-m,--memory}'[budget for blocks of each, such as 512M or 4G (default\: 60 % of what is left, shared)]:SIZE: ' \
        '--scratch[where blocks are spilled when the budget is short (default\: TMPDIR or /tmp)]:DIR:_files -/' \
        '--listen[listen there (default\: tcp\://127.0.0.1\:8786); port 0 takes any that is free]:ADDR: ' \
        '--journal[as for '\''tessera scheduler'\'']:FILE:_files' \
        '--scheduler-file[as for '\''tessera scheduler'\'']:FILE:_files' \
        '--resources[what functions can ask of each worker, such as '\''GPU=1 license=2'\'']:LIST: ' \
        '--libraries[as for '\''tessera worker'\'']:DIRS: ' \
        '--python[workers run Python functions too, with PYTHON (default\: TESSERA_PYTHON, or python3)]' \
        '--secret-file[a secret that both sides of every connection prove to know (default\: TESSERA_SECRET_FILE)]:FILE:_files' \
        '--ca[for tls\:// addresses\: the authority'\''s certificate; '\''tessera cert'\'' makes one]:FILE:_files' \
        '--cert[for tls\:// addresses\: the certificate of this process]:FILE:_files' \
        '--key[for tls\:// addresses\: the certificate'\''s key]:FILE:_files' \
        '--log-level[the least important lines that are logged (default\: info)]:LEVEL:(debug info warning error)' \
        '--log-format[lines of text (default) or JSON objects]:FORMAT:(text json)' \
        '--log-file[append the log to FILE instead of standard error]:FILE:_files' \
        '(-h --help)'{-h,--help}'[show this help]' \
        '*:file:_files' ;;
    scheduler) _arguments \
        '--listen[listen there (default\: tcp\://127.0.0.1\:8786); port 0 takes any that is free]:ADDR: ' \
        '--journal[note what exists in FILE, so that a scheduler that is started again with it goes on]:FILE:_files' \
        '--scheduler-file[write the address to FILE (JSON) once it listens, for workers and clients that see it]:FILE:_files' \
        '--secret-file[a secret that both sides of every connection prove to know (default\: TESSERA_SECRET_FILE)]:FILE:_files' \
        '--ca[for tls\:// addresses\: the authority'\''s certificate; '\''tessera cert'\'' makes one]:FILE:_files' \
        '--cert[for tls\:// addresses\: the certificate of this process]:FILE:_files' \
        '--key[for tls\:// addresses\: the certificate'\''s key]:FILE:_files' \
        '--log-level[the least important lines that are logged (default\: info)]:LEVEL:(debug info warning error)' \
        '--log-format[lines of text (default) or JSON objects]:FORMAT:(text json)' \
        '--log-file[append the log to FILE instead of standard error]:FILE:_files' \
        '(-h --help)'{-h,--help}'[show this help]' \
        '*:file:_files' ;;
    worker) _arguments \
        '(-j --threads)'{-j,--threads}'[use N threads (default\: the processors this process may use)]:N: ' \
        '(-m --memory)'{-m,--memory}'[budget for blocks, such as 512M or 4G (default\: 60 % of what is left)]:SIZE: ' \
        '--scratch[where blocks are spilled when the budget is short (default\: TMPDIR or /tmp)]:DIR:_files -/' \
        '--name[its name for people (default\: host and process number)]:NAME: ' \
        '--scheduler-file[instead of ADDR\: wait for the FILE that '\''tessera scheduler'\'' writes, and read the address]:FILE:_files' \
        '--listen[where clients and other workers reach it (default\: any port of the side facing the scheduler)]:ADDR: ' \
        '--resources[what functions can ask for, such as '\''GPU=1 license=2'\'']:LIST: ' \
        '--libraries[run functions of shared libraries in these folders, with '\''\:'\'' between (default\: none)]:DIRS: ' \
        '--python[run Python functions too\: as PYTHON -m tessera worker (default\: TESSERA_PYTHON, or python3)]' \
        '--grace[after a signal, others have so long to take over what it holds (default\: 30)]:SECONDS: ' \
        '--secret-file[a secret that both sides of every connection prove to know (default\: TESSERA_SECRET_FILE)]:FILE:_files' \
        '--ca[for tls\:// addresses\: the authority'\''s certificate; '\''tessera cert'\'' makes one]:FILE:_files' \
        '--cert[for tls\:// addresses\: the certificate of this process]:FILE:_files' \
        '--key[for tls\:// addresses\: the certificate'\''s key]:FILE:_files' \
        '--log-level[the least important lines that are logged (default\: info)]:LEVEL:(debug info warning error)' \
        '--log-format[lines of text (default) or JSON objects]:FORMAT:(text json)' \
        '--log-file[append the log to FILE instead of standard error]:FILE:_files' \
        '(-h --help)'{-h,--help}'[show this help]' \
        '*:file:_files' ;;
    status) _arguments \
        '(-w --watch)'{-w,--watch}'[show it anew every second, until Ctrl-C]' \
        '--json[print JSON, one object a line]' \
        '--secret-file[a secret that both sides of every connection prove to know (default\: TESSERA_SECRET_FILE)]:FILE:_files' \
        '--ca[for tls\:// addresses\: the authority'\''s certificate; '\''tessera cert'\'' makes one]:FILE:_files' \
        '--cert[for tls\:// addresses\: the certificate of this process]:FILE:_files' \
        '--key[for tls\:// addresses\: the certificate'\''s key]:FILE:_files' \
        '(-h --help)'{-h,--help}'[show this help]' \
        '*:file:_files' ;;
    stop) _arguments \
        '--secret-file[a secret that both sides of every connection prove to know (default\: TESSERA_SECRET_FILE)]:FILE:_files' \
        '--ca[for tls\:// addresses\: the authority'\''s certificate; '\''tessera cert'\'' makes one]:FILE:_files' \
        '--cert[for tls\:// addresses\: the certificate of this process]:FILE:_files' \
        '--key[for tls\:// addresses\: the certificate'\''s key]:FILE:_files' \
        '(-h --help)'{-h,--help}'[show this help]' \
        '*:file:_files' ;;
    cert) _arguments \
        '--name[call the files NAME.pem and NAME.key (default\: the first host; without hosts\: tessera)]:NAME: ' \
        '--days[valid for N days (default\: 3650)]:N: ' \
        '(-h --help)'{-h,--help}'[show this help]' \
        '*:file:_files' ;;
    help) _arguments \
        '(-h --help)'{-h,--help}'[show this help]' \
        '*:file:_files' ;;
    completion) _arguments \
        '(-h --help)'{-h,--help}'[show this help]' \
        '*:file:_files' ;;
    esac
}
_tessera "$@"
