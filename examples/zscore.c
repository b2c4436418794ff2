/* The z-score over time of a variable in many NetCDF files, as one NetCDF file.
 *
 *   cc zscore.c $(pkg-config --cflags --libs tessera) -o zscore
 *   ./zscore t2m z.nc era/2014-01-*.nc
 *
 * Nothing is computed before tsr_dataset_write: variables are descriptions. Mean and standard deviation are then found in one
 * pass over the files. */
#include <stdio.h>
#include <tessera.h>

static void show(void *context, const tsr_progress *p)
{
    (void)context;
    fprintf(stderr, "\r%3.0f %%  %s   ", 100 * p->fraction, p->stage);
    if (p->fraction == 1) fputc('\n', stderr);
}

/* (x - mean) / std, with the names and coordinates of x. NULL if x is NULL or something fails. */
static tsr_variable *zscore(tsr_variable *x)
{
    const char *over[] = {"time"};
    tsr_variable *mean = tsr_variable_reduce(x, "mean", 1, over, 0, false);
    tsr_variable *deviation = tsr_variable_reduce(x, "std", 1, over, 0, false);
    tsr_variable *difference = tsr_variable_apply("subtract", 2, (tsr_variable *[]){x, mean});
    return tsr_variable_apply("divide", 2, (tsr_variable *[]){difference, deviation});
}

static tsr_status run(tsr_session *s, const char *name, const char *out, int n, const char *const *files)
{
    tsr_dataset *in = tsr_open_files(s, n, files, NULL);
    if (!in) return tsr_error_code();
    tsr_variable *z = zscore(tsr_dataset_get(in, name));
    tsr_dataset *result = tsr_dataset_new(s);
    if (!z || !result) return tsr_error_code();
    tsr_status status = tsr_dataset_put(result, "z", z);
    if (status == TSR_OK) status = tsr_set_progress(s, show, NULL, 200);
    if (status == TSR_OK) status = tsr_dataset_write(result, out, NULL);
    return status;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: %s VARIABLE OUT.nc FILE...\n", argv[0]);
        return 2;
    }
    tsr_session *s = tsr_session_open(NULL, NULL);
    tsr_status status = s ? run(s, argv[1], argv[2], argc - 3, (const char *const *)(argv + 3)) : tsr_error_code();
    if (status != TSR_OK) fprintf(stderr, "%s\n", tsr_error_message());
    tsr_session_close(s); /* frees all that was made in it */
    return status == TSR_OK ? 0 : 1;
}
