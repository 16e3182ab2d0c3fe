/* A policy is compiled from CIL, written as a binary one, read again, and asked. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cil/cil.h>
#include <sepol/policydb.h>
#include <sepol/policydb/policydb.h>
#include <sepol/policydb/services.h>
#include <sepol/sepol.h>

static const char policy[] =
	"(handleunknown deny) (mls true)"
	"(class file (read write)) (classorder (file))"
	"(sid kernel) (sidorder (kernel))"
	"(user u) (role r) (type writer_t) (type reader_t) (type data_t)"
	"(userrole u r) (roletype r writer_t) (roletype r reader_t) (roletype r data_t)"
	"(sensitivity s0) (sensitivityorder (s0)) (userlevel u (s0)) (userrange u ((s0) (s0)))"
	"(sidcontext kernel (u r writer_t ((s0) (s0))))"
	"(allow writer_t data_t (file (read write))) (allow reader_t data_t (file (read)))"
	"(neverallow reader_t data_t (file (write)))";

static void need(int good, const char *what)
{
	if (!good) {
		fprintf(stderr, "failed: %s\n", what);
		exit(1);
	}
}

static int allowed(const char *subject, const char *permission)
{
	sepol_security_id_t source, target;
	sepol_security_class_t class;
	sepol_access_vector_t wanted;
	struct sepol_av_decision decision;

	need(sepol_context_to_sid(subject, strlen(subject) + 1, &source) == 0, subject);
	need(sepol_context_to_sid("u:r:data_t:s0", strlen("u:r:data_t:s0") + 1, &target) == 0, "the data's context");
	need(sepol_string_to_security_class("file", &class) == 0, "the class");
	need(sepol_string_to_av_perm(class, permission, &wanted) == 0, permission);
	need(sepol_compute_av(source, target, class, wanted, &decision) == 0, "a decision");
	return (decision.allowed & wanted) == wanted;
}

int main(void)
{
	cil_db_t *cil;
	sepol_policydb_t *made = NULL, *again;
	void *first, *second;
	size_t first_size, second_size;

	cil_db_init(&cil);
	cil_set_mls(cil, 1);
	need(cil_add_file(cil, "try.cil", policy, sizeof(policy) - 1) == SEPOL_OK, "reading CIL");
	need(cil_compile(cil) == SEPOL_OK, "compiling CIL");
	need(cil_build_policydb(cil, &made) == SEPOL_OK, "making a policy");
	need(sepol_policydb_to_image(NULL, made, &first, &first_size) == 0, "writing");
	need(sepol_policydb_create(&again) == 0, "an empty policy");
	need(sepol_policydb_from_image(NULL, first, first_size, again) == 0, "reading");
	need(sepol_policydb_to_image(NULL, again, &second, &second_size) == 0, "writing again");
	/* The two rules may have changed places: their table has another size when it is read. */
	need(first_size == second_size, "as much as before");
	need(sepol_policydb_from_image(NULL, first, first_size / 2, made) != 0, "refusing half a policy");

	FILE *file = fopen("try.policy", "w+");
	need(file && fwrite(first, first_size, 1, file) == 1, "writing a file");
	rewind(file);
	need(sepol_set_policydb_from_file(file) == 0, "loading");
	need(allowed("u:r:writer_t:s0", "write"), "the writer writes");
	need(allowed("u:r:reader_t:s0", "read"), "the reader reads");
	need(!allowed("u:r:reader_t:s0", "write"), "the reader does not write");
	puts("good");
	return 0;
}
