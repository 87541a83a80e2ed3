import { type EnrolmentTokenView, SYSTEM_NAMESPACE, type ViolationView } from '@fso/shared/api';
import { REGION_LABEL } from '@fso/shared/residency';

/** What an administrator types where the repository does not know the cluster, or has no token for it. */
export const formatAddCommand = (name: string, regions: readonly string[]): string =>
  ['fso clusters add', name, ...regions.map((region) => `--region ${region}`)].join(' ');

/** What is run in the cluster, with a token that is good once. */
export const formatEnrolCommands = ({ cluster, agentUrl, token }: Pick<EnrolmentTokenView, 'cluster' | 'agentUrl' | 'token'>): string =>
  [
    'kubectl apply -f deploy/agent/rbac.yaml',
    `FSO_CLUSTER=${cluster} FSO_HUB_URL=${agentUrl} FSO_ENROLL_TOKEN=${token} npm run fso-agent`,
  ].join('\n');

/** What a POSIX shell reads as one word, unquoted. */
const PLAIN = /^[\w@%+=:,./-]+$/;

/** A text as one word of a shell command. Names come from clusters: what somebody copies must not run anything else. */
export const quoteShellWord = (text: string): string => (PLAIN.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

interface Command {
  readonly what: string;
  readonly command: string;
}

/** Ways to look at it, for somebody with access to the cluster. */
export const listInspectCommands = ({ kind, namespace, name, node, policy }: ViolationView): readonly Command[] => {
  const workload = quoteShellWord(`${kind.toLowerCase()}/${name}`);
  const inNamespace = `kubectl -n ${quoteShellWord(namespace)}`;
  const policyName = policy.slice(policy.indexOf('/') + 1);
  const policyHome = policy.includes('/') ? policy.slice(0, policy.indexOf('/')) : SYSTEM_NAMESPACE;
  return [
    { what: 'The object', command: `${inNamespace} get ${workload} -o yaml` },
    {
      what: 'What made it',
      command: `${inNamespace} get ${workload} -o jsonpath='{range .metadata.ownerReferences[*]}{.kind}/{.name}{"\\n"}{end}'`,
    },
    ...(node === undefined
      ? []
      : [{ what: 'Its node and the region', command: `kubectl get ${quoteShellWord(`node/${node}`)} -L ${REGION_LABEL}` }]),
    {
      what: 'The policy as the cluster has it',
      command: `kubectl -n ${quoteShellWord(policyHome)} get ${quoteShellWord(`sovereignpolicy/${policyName}`)} -o yaml`,
    },
  ];
};
