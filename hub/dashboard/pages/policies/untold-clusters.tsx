import { count } from '@fso/shared/text';
import { Content } from '@patternfly/react-core';
import type { PolicyDetails } from './use-policy-details.ts';

const textOf = ({ untold, isAsking, isFailed }: PolicyDetails): string => {
  const clusters = count(untold, 'cluster');
  if (isAsking) return `Asking the agents of ${clusters}…`;
  const known = `Details unavailable for ${clusters}: only the state that each reported last is known.`;
  return isFailed
    ? `${known} The hub did not give more.`
    : `${known} Their agents are away or did not answer, or are not among the first 50 that are asked.`;
};

/**
 * Number of clusters of which only the last reported state is known, because their agents have not
 * sent a full report.
 */
export const UntoldClusters = (details: PolicyDetails) =>
  details.untold === 0 ? null : (
    <Content component="p" className="fso-muted" role="status">
      {textOf(details)}
    </Content>
  );
