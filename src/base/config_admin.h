/* Who may reach the API, and how: TLS, and the certificates of clients. */
#ifndef ANNUL_BASE_CONFIG_ADMIN_H
#define ANNUL_BASE_CONFIG_ADMIN_H

#include <annul/config.h>
#include <annul/config_file.h>

extern cfg_opt_t config_admin_keys[];
/* Of the section `admin`, when the issuers are read. */
int config_read_access(struct config *config, cfg_t *admin, struct error *err);
void config_free_access(struct config *config);

#endif
