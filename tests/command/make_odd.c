/* Makes an HDF5 file with data sets of kinds that the command has to take or to refuse: argv[1]. */
#include <hdf5.h>

#include <stdio.h>
#include <string.h>

#define ROWS 300

static double points[ROWS][2];

static int write_plain(hid_t file, const char *name, hid_t type, int ndim, const hsize_t *shape, const void *data)
{
    hid_t space = H5Screate_simple(ndim, shape, NULL);
    hid_t set   = H5Dcreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    int   st    = H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0;

    H5Dclose(set);
    H5Sclose(space);
    return st;
}

static int write_gzip(hid_t file)
{
    hsize_t shape[2] = {ROWS, 2}, chunk[2] = {70, 2};
    hid_t   space = H5Screate_simple(2, shape, NULL), list = H5Pcreate(H5P_DATASET_CREATE), set;
    int     st;

    H5Pset_chunk(list, 2, chunk);
    H5Pset_shuffle(list);
    H5Pset_deflate(list, 4);
    set = H5Dcreate2(file, "/packed", H5T_NATIVE_DOUBLE, space, H5P_DEFAULT, list, H5P_DEFAULT);
    st  = H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, points) < 0;
    H5Dclose(set);
    H5Pclose(list);
    H5Sclose(space);
    return st;
}

int main(int argc, char **argv)
{
    hsize_t shape[2] = {ROWS, 2}, line = ROWS, names = 3;
    hid_t   file, text;
    int     st;

    if (argc != 2)
        return 2;
    for (int i = 0; i < ROWS; i++) {
        points[i][0] = (i % 3) * 10 + (i % 7) * 0.1;
        points[i][1] = (i % 3) * -5 + (i % 11) * 0.1;
    }
    file = H5Fcreate(argv[1], H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    text = H5Tcopy(H5T_C_S1);
    H5Tset_size(text, 8);
    st = file < 0 || write_plain(file, "/points", H5T_NATIVE_DOUBLE, 2, shape, points) ||
         write_plain(file, "/line", H5T_NATIVE_DOUBLE, 1, &line, points) ||
         write_plain(file, "/names", text, 1, &names, "alpha\0\0\0beta\0\0\0\0gamma\0\0") || write_gzip(file);
    H5Tclose(text);
    H5Fclose(file);
    return st;
}
