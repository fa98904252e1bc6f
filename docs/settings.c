/* Prints the manual's page of settings, from the table that the library itself reads. */
#include <stdio.h>

#include <sabal/sabal.h>

static int32_t print_row(void *user, const sabal_setting *s)
{
    fprintf(user, "| `%s` | `%s` | %s%s%s | %s |\n", s->name, s->environment, *s->default_value ? "`" : "",
            *s->default_value ? s->default_value : "none", *s->default_value ? "`" : "", s->text);
    return 0;
}

int main(void)
{
    puts(
        "# Settings {#settings}\n\n"
        "A setting is looked for in the environment, then in a file, `$SABAL_CONFIG` or else\n"
        "`~/.config/sabal/sabal.conf`, which holds lines of the form `name = value` (`#` begins a comment). `sabal config`\n"
        "prints what holds, and where it comes from. Whole numbers may end in K, M, G or T, of 1024 each.\n\n"
        "| in the file | in the environment | default | what it does |\n"
        "|---|---|---|---|");
    sabal_settings_list(print_row, stdout);
    return 0;
}
