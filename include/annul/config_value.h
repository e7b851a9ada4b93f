/* A value of a configuration file, and where it stands. */
#ifndef ANNUL_CONFIG_VALUE_H
#define ANNUL_CONFIG_VALUE_H

/* `text` is NULL where it was not given. */
struct config_value {
    char *text;
    int line;
};

#endif
