import { Argument, type Command } from 'commander';
import type { Context } from '../context.ts';
import { COMPLETE } from './complete.ts';
import { action, examples } from './options.ts';

/**
 * Completion scripts. They call the program, so that shells offer what the installed version
 * supports.
 */
const SCRIPTS = {
  bash: `_fso() {
  local word=\${COMP_WORDS[COMP_CWORD]} value
  COMPREPLY=()
  while IFS=$'\\t' read -r value _; do
    case $value in
      :0) compopt -o default ;;
      :*) ;;
      *) COMPREPLY+=("$value") ;;
    esac
  done < <("\${COMP_WORDS[0]}" ${COMPLETE} "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _fso fso
`,
  zsh: `#compdef fso
_fso() {
  local -a values
  local line
  for line in "\${(@f)$("\${words[1]}" ${COMPLETE} "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    case $line in
      :0) _files ;;
      :*) ;;
      *) values+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}") ;;
    esac
  done
  _describe -t values value values
}
compdef _fso fso
`,
  fish: `function __fso_complete
    set -l words (commandline -opc)
    set -l lines ($words[1] ${COMPLETE} $words[2..] (commandline -ct) 2>/dev/null)
    if test "$lines[-1]" = ':0'
        __fish_complete_path (commandline -ct)
    end
    string match -v ':*' -- $lines
end
complete -c fso -f -a '(__fso_complete)'
`,
} as const;

type Shell = keyof typeof SCRIPTS;

/** Adds `fso completion`, which prints a script for a shell. */
export const addCompletion = (program: Command): void => {
  program
    .command('completion')
    .description('write the script with which a shell completes commands, options and their values')
    .addArgument(new Argument('<shell>', 'the shell').choices(Object.keys(SCRIPTS)))
    .addHelpText(
      'after',
      examples(
        'completion bash > /etc/bash_completion.d/fso',
        'completion zsh > /usr/local/share/zsh/site-functions/_fso',
        'completion fish > ~/.config/fish/completions/fso.fish',
      ),
    )
    .action(
      action(
        () =>
          ({ out }: Context, shell: Shell) =>
            out(SCRIPTS[shell]),
      ),
    );
};
