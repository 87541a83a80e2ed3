import { Content } from '@patternfly/react-core';
import { count } from '../../lib/format.ts';
import type { PolicyDetails } from './use-policy-details.ts';

const textOf = ({ untold, isAsking, isFailed }: PolicyDetails): string => {
  const clusters = count(untold, 'cluster');
  if (isAsking) return `Asking the agents of ${clusters}…`;
  const known = `Known of ${clusters}: as last reported, nothing about the policy needs attention there.`;
  return isFailed
    ? `${known} More could not be read from the hub.`
    : `${known} For more their agents are asked: these do not answer, or are not among the first 50.`;
};

/** Says of how many clusters the agents have not told more than that the policy conforms. */
export const UntoldClusters = (details: PolicyDetails) =>
  details.untold === 0 ? null : (
    <Content component="p" className="fso-muted" role="status">
      {textOf(details)}
    </Content>
  );
