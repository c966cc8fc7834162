import type { Shell } from '../commands/request.ts';

/**
 * The scripts ask media-cleanup back with a hidden command, so what they offer is what the version
 * that runs knows. None evaluates anything of the line, of the config or of the answer; none prints.
 * The program is that in PATH and not the one on the line: `./media-cleanup` may be anybody's.
 */
export const SCRIPTS: Readonly<Record<Shell, string>> = {
  bash: String.raw`# bash completion for media-cleanup, printed by: media-cleanup completion bash

_media_cleanup() {
  local answer line kind=
  COMPREPLY=()
  # File names only where they are asked for; bash 3.2 has no compopt and offers them everywhere.
  compopt +o default 2>/dev/null
  answer=$(command media-cleanup __complete bash -- \
    "$COMP_WORDBREAKS" "${'$'}{COMP_LINE:0:COMP_POINT}" </dev/null 2>/dev/null) || return 0
  while IFS= read -r line; do
    if [[ -z $kind ]]; then
      kind=$line
    else
      COMPREPLY+=("$line")
    fi
  done <<<"$answer"
  case $kind in
    files) compopt -o default 2>/dev/null ;;
    directories) compopt -o dirnames 2>/dev/null ;;
    list) compopt -o nospace 2>/dev/null ;;
  esac
  # In the order of the answer (bash 4.4).
  compopt -o nosort 2>/dev/null
  return 0
}

complete -o default -F _media_cleanup media-cleanup
`,
  zsh: String.raw`#compdef media-cleanup
# zsh completion for media-cleanup, printed by: media-cleanup completion zsh

_media-cleanup() {
  local answer
  local -a head items
  # (Q) takes quotes off and expands nothing.
  answer=$(command media-cleanup __complete zsh -- \
    "${'$'}{(@Q)words[2,CURRENT-1]}" "${'$'}{(Q)PREFIX}" </dev/null 2>/dev/null) || return 1
  items=("${'$'}{(@f)answer}")
  head=("${'$'}{(@s: :)items[1]}")
  shift items
  compset -p "$head[2]"
  case $head[1] in
    files) _files ;;
    directories) _files -/ ;;
    list) _describe -V 'media-cleanup' items -qS , ;;
    words) _describe -V 'media-cleanup' items ;;
  esac
}

# Found in $fpath this file is the function's body; read with source or eval it is not.
if [[ $funcstack[1] == _media-cleanup ]]; then
  _media-cleanup "$@"
elif (( $+functions[compdef] )); then
  compdef _media-cleanup media-cleanup
fi
`,
  fish: String.raw`# fish completion for media-cleanup, printed by: media-cleanup completion fish

# fish looks up what stands behind --flag=, which has to stand before each path again.
function __media_cleanup_paths --argument-names look kept current
    set -l begin (math (string length -- "$kept") + 1)
    for path in ($look (string sub -s $begin -- "$current"))
        printf '%s%s\n' "$kept" "$path"
    end
end

function __media_cleanup_complete
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    set -l answer (command media-cleanup __complete fish -- $before[2..-1] "$current" </dev/null 2>/dev/null)
    or return
    switch "$answer[1]"
        case words
            printf '%s\n' $answer[2..-1]
        case files
            __media_cleanup_paths __fish_complete_path "$answer[2]" "$current"
        case directories
            __media_cleanup_paths __fish_complete_directories "$answer[2]" "$current"
    end
end

complete -c media-cleanup -f -k -a '(__media_cleanup_complete)'
`,
};
