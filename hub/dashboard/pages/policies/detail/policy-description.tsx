import { type PolicyView, policyKey } from '@fso/shared/api';
import { Alert, Skeleton } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { policyHistoryQuery } from '../../../api/queries.ts';
import { useScope } from '../../../api/session.ts';
import { RevisionLink } from '../../../components/links.tsx';
import { Facts, RelativeTime } from '../../../components/text.tsx';
import { formatNumber } from '../../../lib/format.ts';
import { authorName } from '../../../lib/text-diff.ts';
import { originOf } from '../policy-origin.tsx';
import { AllowedRegions, Expires } from '../policy-values.tsx';

/** The commit that last changed the document. */
const LastChange = ({ policy }: { readonly policy: PolicyView }) => {
  const history = useQuery(policyHistoryQuery(policyKey(policy)));
  const last = history.data?.items[0]?.commit;
  if (last === undefined)
    return history.isError || history.data !== undefined ? (
      <span className="fso-muted">could not be read</span>
    ) : (
      <Skeleton width="60%" screenreaderText="Loading the last change" />
    );
  return (
    <>
      <RevisionLink revision={last.revision} /> {last.subject}{' '}
      <span className="fso-muted">
        by {authorName(last.author)}, <RelativeTime time={last.time} />
      </span>
    </>
  );
};

const Origin = ({ policy }: { readonly policy: PolicyView }) =>
  policy.source === null ? (
    <span className="fso-muted">{originOf(policy) === 'local' ? 'not from Git: local' : 'no longer in Git'}</span>
  ) : (
    <code>
      {policy.source.path}:{policy.source.line}
    </code>
  );

const OriginNote = ({ policy }: { readonly policy: PolicyView }) => {
  const origin = originOf(policy);
  if (origin === 'git') return null;
  return origin === 'local' ? (
    <Alert isInline isPlain variant="info" component="p" title="A local policy: it was applied to a cluster and does not come from Git">
      The hub neither delivers nor changes it; this page shows the reports of the clusters.
    </Alert>
  ) : (
    <Alert isInline variant="warning" component="p" title="This policy is no longer in Git">
      The commit in force does not have it. The clusters below still report it until they accept that commit.
    </Alert>
  );
};

/** The summary above the tabs. */
export const PolicyDescription = ({ policy }: { readonly policy: PolicyView }) => {
  const { targetNamespace, allowedRegions, effectiveRegions, expiryDate, violations, source } = policy;
  const isScoped = useScope() !== undefined;
  return (
    <>
      <OriginNote policy={policy} />
      <Facts
        isHorizontal={false}
        columnModifier={{ default: '1Col', md: '2Col', xl: '3Col' }}
        className="fso-facts"
        aria-label="The policy in short"
        facts={{
          Governs: <code>{targetNamespace}</code>,
          'Allowed regions': <AllowedRegions allowed={allowedRegions} effective={effectiveRegions} />,
          Violations: formatNumber(violations),
          Expires: <Expires date={expiryDate} />,
          'In Git': <Origin policy={policy} />,
          'Last change': source === null || isScoped ? undefined : <LastChange policy={policy} />,
        }}
      />
    </>
  );
};
