# bash completion for agent-vault
_agent_vault() {
  local cur=${COMP_WORDS[COMP_CWORD]} where='' word i words=''
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if [[ $word == -- && $where == run ]]; then
      if ((i + 1 == COMP_CWORD)); then COMPREPLY=($(compgen -c -- "$cur")); fi
      return
    fi
    case "${where:+$where }$word" in
      'vault creds') where='vault credential';;
      'vault run') where='run';;
      'credential') where='vault credential';;
      'creds') where='vault credential';;
      'agent') where='agent';;
      'agent create') where='agent create';;
      'agent delete') where='agent delete';;
      'agent list') where='agent list';;
      'agent revoke') where='agent revoke';;
      'agent rotate') where='agent rotate';;
      'agent set') where='agent set';;
      'agent show') where='agent show';;
      'ca') where='ca';;
      'ca rotate') where='ca rotate';;
      'ca show') where='ca show';;
      'completion') where='completion';;
      'key') where='key';;
      'key rotate') where='key rotate';;
      'key set-passphrase') where='key set-passphrase';;
      'key status') where='key status';;
      'log') where='log';;
      'run') where='run';;
      'vault') where='vault';;
      'vault create') where='vault create';;
      'vault credential') where='vault credential';;
      'vault credential delete') where='vault credential delete';;
      'vault credential get') where='vault credential get';;
      'vault credential history') where='vault credential history';;
      'vault credential import') where='vault credential import';;
      'vault credential list') where='vault credential list';;
      'vault credential rollback') where='vault credential rollback';;
      'vault credential set') where='vault credential set';;
      'vault current') where='vault current';;
      'vault delete') where='vault delete';;
      'vault list') where='vault list';;
      'vault rename') where='vault rename';;
      'vault service') where='vault service';;
      'vault service add') where='vault service add';;
      'vault service catalog') where='vault service catalog';;
      'vault service clear') where='vault service clear';;
      'vault service disable') where='vault service disable';;
      'vault service enable') where='vault service enable';;
      'vault service list') where='vault service list';;
      'vault service remove') where='vault service remove';;
      'vault service set') where='vault service set';;
      'vault service show') where='vault service show';;
      'vault settings') where='vault settings';;
      'vault use') where='vault use';;
    esac
  done
  case "$where" in
    '') words='run vault agent log key ca completion credential creds ';;
    'agent') words='create list show set rotate revoke delete ';;
    'agent create') words=' --help --vault --service --credential --max-concurrent --limit --json';;
    'agent delete') words=' --help --yes --json';;
    'agent list') words=' --help --json';;
    'agent revoke') words=' --help --json';;
    'agent rotate') words=' --help --json';;
    'agent set') words=' --help --vault --service --credential --max-concurrent --limit --json';;
    'agent show') words=' --help --json';;
    'ca') words='show rotate ';;
    'ca rotate') words=' --help --json';;
    'ca show') words=' --help --fingerprint --json';;
    'completion') words=' --help';;
    'key') words='status set-passphrase rotate ';;
    'key rotate') words=' --help --json';;
    'key set-passphrase') words=' --help --remove --stdin --json';;
    'key status') words=' --help --json';;
    'log') words=' --help --follow --limit --host --service --agent --run --decision --since --errors --alarms --all --vault --json';;
    'run') words=' --help --agent --ttl --isolation --upstream-ca --resolve --allow-net --upstream-proxy --unmatched --connect-timeout --header-timeout --no-skill --vault';;
    'vault') words='create list delete rename use current settings credential service creds run ';;
    'vault create') words=' --help --json';;
    'vault credential') words='set get list delete import history rollback ';;
    'vault credential delete') words=' --help --vault --json';;
    'vault credential get') words=' --help --vault --json';;
    'vault credential history') words=' --help --vault --json';;
    'vault credential import') words=' --help --overwrite --skip-existing --vault --json';;
    'vault credential list') words=' --help --reveal --vault --json';;
    'vault credential rollback') words=' --help --to --vault --json';;
    'vault credential set') words=' --help --stdin --from-file --raw --vault --json';;
    'vault current') words=' --help --vault --json';;
    'vault delete') words=' --help --yes --json';;
    'vault list') words=' --help --json';;
    'vault rename') words=' --help --json';;
    'vault service') words='add set list show remove enable disable clear catalog ';;
    'vault service add') words=' --help --preset --file --name --host --auth-type --token-key --username-key --username --password-key --api-key-key --api-key-header --api-key-prefix --query --header --method --env --placeholder --allow-http --disabled --vault --json';;
    'vault service catalog') words=' --help --vault --json';;
    'vault service clear') words=' --help --yes --vault --json';;
    'vault service disable') words=' --help --vault --json';;
    'vault service enable') words=' --help --vault --json';;
    'vault service list') words=' --help --toml --vault --json';;
    'vault service remove') words=' --help --vault --json';;
    'vault service set') words=' --help --file --vault --json';;
    'vault service show') words=' --help --vault --json';;
    'vault settings') words=' --help --unmatched --vault --json';;
    'vault use') words=' --help --json';;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o bashdefault -o default -F _agent_vault agent-vault
