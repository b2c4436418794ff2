#compdef tessera
# zsh completion for tessera; written by 'tessera completion zsh'.
_tessera()
{
    local -a names
    names=(
        'eval:compute expressions on the variables of files and print, write or draw the result'
        'info:show what is in files dimensions, variables, chunks, compression, sizes, attributes'
        'plot:draw a variable a map of two dimensions, a line of one, or a histogram'
        'sample:write sample data daily climate files and a stack of images'
        'help:explain a command, or list the functions of expressions'
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
        '--output[write the result to FILE .nc (NetCDF-3), .nc4 (NetCDF-4) or .npy]:FILE:_files' \
        '--format[the format of FILE, whatever its name]:FORMAT:(nc nc4 npy)' \
        '--deflate[compress NetCDF-4, 0 to 9 (default 0)]:LEVEL: ' \
        '--plot[draw the result into FILE .png, .svg or .pdf]:FILE:_files' \
        '--cmap[colours (default viridis, or RdBu_r around zero)]:NAME:(viridis magma cividis gray RdBu RdBu_r)' \
        '--robust[limit the colours to the 2nd and 98th percentile]' \
        '--min[lower limit of the colours or of the vertical axis]:X: ' \
        '--max[upper limit of the colours or of the vertical axis]:X: ' \
        '--title[title (default the variables long_name)]:TEXT: ' \
        '--width[width of a PNG (default 1600)]:PIXELS: ' \
        '--threads[use N threads (default the processors this process may use)]:N: ' \
        '--memory[budget for blocks, such as 512M or 4G (default 60 % of what is left)]:SIZE: ' \
        '--scratch[where blocks are spilled when the budget is short (default TMPDIR or /tmp)]:DIR:_files -/' \
        '--chunks[chunks of the files variables and of new arrays 1000,1000 or time=4,latitude=-1]:LENGTHS: ' \
        '--udf[functions of your own from the C source FILE, called in EXPRESSIONS by their names (see docs/udf.md)]:FILE:_files' \
        '--explain[print how it would be computed; compute only with -o or --plot]' \
        '--visualize[draw the expression into FILE (.svg or .dot)]:FILE:_files' \
        '--graph[what --visualize draws (default expression)]:WHAT:(expression plan)' \
        '--trace[write every tasks time to FILE, for Perfetto or chrome//tracing]:FILE:_files' \
        '--json[print results as JSON]' \
        '--progress[show progress even when standard error is not a terminal]' \
        '--quiet[show no progress and no remarks]' \
        '--help[show this help]' \
        '*:file:_files' ;;
    info) _arguments \
        '--json[print JSON]' \
        '--help[show this help]' \
        '*:file:_files' ;;
    plot) _arguments \
        '--output[the picture .png, .svg or .pdf (default plot.png)]:FILE:_files' \
        '--histogram[draw how the values are distributed]' \
        '--bins[bins of the histogram (default 100)]:N: ' \
        '--cmap[colours (default viridis, or RdBu_r around zero)]:NAME:(viridis magma cividis gray RdBu RdBu_r)' \
        '--robust[limit the colours to the 2nd and 98th percentile]' \
        '--min[lower limit of the colours or of the vertical axis]:X: ' \
        '--max[upper limit of the colours or of the vertical axis]:X: ' \
        '--title[title (default the variables long_name)]:TEXT: ' \
        '--width[width of a PNG (default 1600)]:PIXELS: ' \
        '--threads[use N threads (default the processors this process may use)]:N: ' \
        '--memory[budget for blocks, such as 512M or 4G (default 60 % of what is left)]:SIZE: ' \
        '--scratch[where blocks are spilled when the budget is short (default TMPDIR or /tmp)]:DIR:_files -/' \
        '--progress[show progress even when standard error is not a terminal]' \
        '--quiet[show no progress and no remarks]' \
        '--help[show this help]' \
        '*:file:_files' ;;
    sample) _arguments \
        '--days[number of daily files (default 30)]:N: ' \
        '--start[the first day (default 2014-01-01)]:DATE: ' \
        '--format[NetCDF-3 (default) or NetCDF-4]:FORMAT:(nc3 nc4)' \
        '--deflate[compress NetCDF-4 files, 0 to 9 (default 0)]:LEVEL: ' \
        '--dtype[packed 16-bit integers with scale_factor and add_offset (default), or 32-bit floats]:TYPE:(i16 f4)' \
        '--grid[number of latitudes and longitudes (default 721x1440)]:LATxLON: ' \
        '--images[also write stack.npy N frames of 512 x 512 16-bit pixels with drifting blobs (default 0)]:N: ' \
        '--seed[another planet and other weather (default 1)]:N: ' \
        '--threads[use N threads (default the processors this process may use)]:N: ' \
        '--progress[show progress even when standard error is not a terminal]' \
        '--quiet[show no progress and no remarks]' \
        '--help[show this help]' \
        '*:file:_files' ;;
    help) _arguments \
        '--help[show this help]' \
        '*:file:_files' ;;
    completion) _arguments \
        '--help[show this help]' \
        '*:file:_files' ;;
    esac
}
_tessera "$@"
