import type { ClusterView } from '@fso/shared/api';
import { Alert, StackItem } from '@patternfly/react-core';
import { ProblemList, RelativeTime } from '../../components/text.tsx';
import { useNow } from '../../lib/time.ts';
import { type Concern, concernsOf } from './concerns.ts';

const ConcernAlert = ({ concern, cluster }: { readonly concern: Concern; readonly cluster: ClusterView }) => (
  <Alert isInline variant={concern.level} title={concern.title} component="h2">
    {concern.detail === '' ? null : <p className="fso-message">{concern.detail}</p>}
    {concern.kind === 'refusal' ? <ProblemList problems={cluster.nack?.reasons ?? []} /> : null}
    {concern.since === null ? null : (
      <p>
        Since <RelativeTime time={concern.since} />
      </p>
    )}
  </Alert>
);

/** What somebody should look at, worst first; nothing where there is nothing. */
export const Concerns = ({ cluster }: { readonly cluster: ClusterView }) => {
  const concerns = concernsOf(cluster, useNow(60_000));
  return concerns.map((concern) => (
    <StackItem key={concern.kind}>
      <ConcernAlert concern={concern} cluster={cluster} />
    </StackItem>
  ));
};
