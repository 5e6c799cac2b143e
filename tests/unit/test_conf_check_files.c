// SPDX-License-Identifier: Apache-2.0
/* Files that checks name: certificates and programs, as they are when a file is read. */
#include "conf_check_files.h"

#include "sandbox.h"

#include <errno.h>
#include <sys/stat.h>

static const char certificate[] =
	"-----BEGIN CERTIFICATE-----\n"
	"MIIBcDCCARWgAwIBAgIUcv2lozPDY1iizAsLiPC+ht3M1pkwCgYIKoZIzj0EAwIw\n"
	"DDEKMAgGA1UEAwwBdDAgFw0yNjExMjcwMTAzNTdaGA8yMTI2MTEwMzAxMDM1N1ow\n"
	"DDEKMAgGA1UEAwwBdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABOZfGX68NfHt\n"
	"30uGsaEDz5nYu93TC5GBIpbCBLBGJSD6uL4AijVh+eg+VGAtKJ2HSBXQ1Gffq1U7\n"
	"Th1cnO25xL2jUzBRMB0GA1UdDgQWBBR+PSNLIMr7LkLBjCTTbXgchpbrzTAfBgNV\n"
	"HSMEGDAWgBR+PSNLIMr7LkLBjCTTbXgchpbrzTAPBgNVHRMBAf8EBTADAQH/MAoG\n"
	"CCqGSM49BAMCA0kAMEYCIQCCT+zYq/H4XOmrRNXgiiRm63yKjyCtMiKtagElDRX7\n"
	"KwIhALm4jVOF4Vl0Zz58O3Y+k2w4xVsb06LUqzNlWZHhtelp\n"
	"-----END CERTIFICATE-----\n";

/* What is said of a [check web] with these lines, which begin in line 10. */
static void assert_said(const char *check, const char *const *sentences)
{
	struct conf_errors errors = { 0 };
	struct conf *c = NULL;
	char *text;

	assert_true(asprintf(&text,
			     "[port wan]\ndevice = net_null0\n"
			     "[pool web]\nbackend a = 192.0.2.1\nchecks = web\n"
			     "[service www]\nvip = 203.0.113.1\nport = 80\npool = web\n"
			     "[check web]\n%s",
			     check) > 0);
	write_text("weir.conf", text);
	free(text);
	assert_int_equal(conf_load_whole("weir.conf", &c, &errors, NULL),
			 sentences[0] != NULL ? -EINVAL : 0);
	assert_int_equal(c == NULL, sentences[0] != NULL);
	assert_messages(&errors, sentences);
	conf_errors_free(&errors);
	conf_free(c);
}

static void a_ca_file_holds_certificates(void **state)
{
	static const char text[] = "kind = https\nverify = yes\nca_file = ca.pem\n";
	char *cut = strdup(certificate);

	(void)state;
	assert_said(text, MESSAGES("weir.conf:13: [check web] ca_file: ca.pem cannot be read: No "
				   "such file or directory"));
	write_text("ca.pem", certificate);
	assert_said(text, NO_MESSAGES);
	write_text("ca.pem", "");
	assert_said(text, MESSAGES("weir.conf:13: [check web] ca_file: ca.pem holds no "
				   "certificate (PEM)"));
	cut[200] = '\0';
	write_text("ca.pem", cut);
	assert_said(text, MESSAGES("weir.conf:13: [check web] ca_file: ca.pem holds no "
				   "certificate (PEM)"));
	free(cut);
	assert_said("kind = tls\nverify = yes\nca_file = .\n",
		    MESSAGES("weir.conf:13: [check web] ca_file: . is no file"));
	/* Whose certificates nobody asks for: not looked at. */
	assert_said("kind = tls\nca_file = ca.pem\n", NO_MESSAGES);
}

static void a_program_can_be_run(void **state)
{
	char text[400], said[400];

	(void)state;
	snprintf(text, sizeof(text), "kind = exec\nvia = direct\ncommand = %s/check.sh quick\n",
		 sandbox_dir);
	snprintf(said, sizeof(said),
		 "weir.conf:13: [check web] command: cannot run %s/check.sh: No such file or "
		 "directory",
		 sandbox_dir);
	assert_said(text, MESSAGES(said));
	write_text("check.sh", "#!/bin/sh\n");
	snprintf(said, sizeof(said),
		 "weir.conf:13: [check web] command: cannot run %s/check.sh: Permission denied",
		 sandbox_dir);
	assert_said(text, MESSAGES(said));
	assert_int_equal(chmod("check.sh", 0755), 0);
	assert_said(text, NO_MESSAGES);
	assert_said("kind = exec\nvia = direct\ncommand = /\n",
		    MESSAGES("weir.conf:13: [check web] command: cannot run /: it is no file"));
}

static void other_errors_come_first(void **state)
{
	(void)state;
	assert_said("kind = exec\nvia = direct\ncommand = relative\n",
		    MESSAGES("weir.conf:10: [check web] the command begins with an absolute "
			     "path, not \"relative\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ca_file_holds_certificates),
		cmocka_unit_test(a_program_can_be_run),
		cmocka_unit_test(other_errors_come_first),
	};

	return cmocka_run_group_tests_name("conf_check_files", tests, sandbox_setup,
					   sandbox_teardown);
}
