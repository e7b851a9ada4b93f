/* The issuer sections of annuld.conf. */
#ifndef ANNUL_BASE_CONFIG_ISSUER_H
#define ANNUL_BASE_CONFIG_ISSUER_H

#include <annul/config.h>
#include <annul/config_file.h>

extern cfg_opt_t config_issuer_keys[];
int config_read_issuer(const struct config *config, cfg_t *section, struct config_issuer *issuer,
                       struct error *err);
void config_free_issuer(struct config_issuer *issuer);

#endif
