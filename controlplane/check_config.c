// SPDX-License-Identifier: Apache-2.0
#include "check_config.h"

#include "conf_check_files.h"
#include "host_check.h"

#include <stdio.h>

int check_config(const char *path, struct conf_errors *errors, struct conf_errors *warnings)
{
	struct conf *c = NULL;
	int err = conf_load_whole(path, &c, errors, warnings);

	if (err < 0)
		return err;
	host_check(c, path, warnings);
	conf_free(c);
	return 0;
}

int check_config_print(const char *path)
{
	struct conf_errors errors = { 0 }, warnings = { 0 };
	int err = check_config(path, &errors, &warnings);

	for (unsigned i = 0; i < warnings.count; i++)
		printf("warning: %s\n", warnings.text[i]);
	for (unsigned i = 0; i < errors.count; i++)
		fprintf(stderr, "%s\n", errors.text[i]);
	if (err == 0)
		printf("%s: ok%s\n", path, warnings.count > 0 ? ", with warnings" : "");
	conf_errors_free(&errors);
	conf_errors_free(&warnings);
	return err;
}
