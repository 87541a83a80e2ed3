import { SYSTEM_NAMESPACE, type ViolationView } from '@fso/shared/api';
import { fixText, REGION_LABEL } from '@fso/shared/residency';
import { shellWord } from './shell-word.ts';

/** How the agent begins the reason of a pod that is not bound yet; what follows is the violation. */
const UNBOUND = 'may be scheduled outside: ';

interface Remedy {
  /** What is so, in one sentence. */
  readonly situation: string;
  /** What to do, in order. */
  readonly steps: readonly string[];
}

/** @param regions that the policy allows there */
export const remedyOf = ({ reason, node }: Pick<ViolationView, 'reason' | 'node'>, regions: readonly string[]): Remedy => {
  const violation = reason.startsWith(UNBOUND) ? reason.slice(UNBOUND.length) : undefined;
  const confine = `In whatever makes the pod (Deployment, Job, …), ${fixText(regions, violation)}.`;
  if (regions.length === 0) return { situation: 'No region is allowed here.', steps: [`${fixText(regions)}.`] };
  if (node === undefined) {
    return {
      situation: 'The pod has no node yet and may get one outside of the allowed regions.',
      steps: [confine, 'Replace the pod: what it asks for cannot be changed once it exists.'],
    };
  }
  return {
    situation: 'The pod runs, and a running pod cannot move: it has to be made anew elsewhere.',
    steps: [
      confine,
      'Let the pod be replaced: a changed Deployment does it by itself, a bare pod is deleted and made again.',
      `If the node is in an allowed region after all, its label ${REGION_LABEL} is wrong or missing: let whoever runs the nodes correct it.`,
    ],
  };
};

interface Command {
  readonly what: string;
  readonly command: string;
}

/** Ways to look at it, for somebody with access to the cluster. */
export const commandsFor = ({ kind, namespace, name, node, policy }: ViolationView): readonly Command[] => {
  const workload = shellWord(`${kind.toLowerCase()}/${name}`);
  const inNamespace = `kubectl -n ${shellWord(namespace)}`;
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
      : [{ what: 'Its node and the region', command: `kubectl get ${shellWord(`node/${node}`)} -L ${REGION_LABEL}` }]),
    {
      what: 'The policy as the cluster has it',
      command: `kubectl -n ${shellWord(policyHome)} get ${shellWord(`sovereignpolicy/${policyName}`)} -o yaml`,
    },
  ];
};
