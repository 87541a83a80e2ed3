import type { EnrolmentTokenView } from '@fso/shared/api';

/** What an administrator types where the repository does not know the cluster, or has no token for it. */
export const addCommand = (name: string, regions: readonly string[]): string =>
  ['fso clusters add', name, ...regions.map((region) => `--region ${region}`)].join(' ');

/** What is run in the cluster, with a token that is good once. */
export const enrolCommands = ({ cluster, agentUrl, token }: Pick<EnrolmentTokenView, 'cluster' | 'agentUrl' | 'token'>): string =>
  [
    'kubectl apply -f deploy/agent/rbac.yaml',
    `FSO_CLUSTER=${cluster} FSO_HUB_URL=${agentUrl} FSO_ENROLL_TOKEN=${token} npm run fso-agent`,
  ].join('\n');
