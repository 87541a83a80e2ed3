import { parsePolicyKey, type ViolationView } from '@fso/shared/api';
import { REGION_LABEL } from '@fso/shared/residency';

/** Formats the command that registers a cluster and creates its enrolment token. */
export const formatAddCommand = (name: string, regions: readonly string[]): string =>
  ['fso clusters add', name, ...regions.map((region) => `--region ${region}`)].join(' ');

/** Texts that a POSIX shell reads as one word without quotes. */
const PLAIN = /^[\w@%+=:,./-]+$/;

/**
 * Quotes a text as one word of a shell command. Names come from clusters, and a copied command must
 * not run anything else.
 */
export const quoteShellWord = (text: string): string => (PLAIN.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

interface Command {
  readonly what: string;
  readonly command: string;
}

/** Commands that inspect a violation, for readers with access to the cluster. */
export const listInspectCommands = ({ kind, namespace, name, node, policy }: ViolationView): readonly Command[] => {
  const workload = quoteShellWord(`${kind.toLowerCase()}/${name}`);
  const inNamespace = `kubectl -n ${quoteShellWord(namespace)}`;
  const { namespace: policyNamespace, name: policyName } = parsePolicyKey(policy);
  return [
    { what: 'The object', command: `${inNamespace} get ${workload} -o yaml` },
    {
      what: 'Its owner',
      command: `${inNamespace} get ${workload} -o jsonpath='{range .metadata.ownerReferences[*]}{.kind}/{.name}{"\\n"}{end}'`,
    },
    ...(node === undefined
      ? []
      : [{ what: 'Its node and the region', command: `kubectl get ${quoteShellWord(`node/${node}`)} -L ${REGION_LABEL}` }]),
    {
      what: 'The policy in the cluster',
      command: `kubectl -n ${quoteShellWord(policyNamespace)} get ${quoteShellWord(`sovereignpolicy/${policyName}`)} -o yaml`,
    },
  ];
};
