import { shortRevision } from '@fso/shared/text';
import ExternalLinkAltIcon from '@patternfly/react-icons/dist/esm/icons/external-link-alt-icon';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { statusQuery } from '../api/queries.ts';
import { commitUrl } from '../lib/links.ts';
import { CopyButton } from './buttons.tsx';

/** @param policy key of the policy */
export const PolicyLink = ({ policy }: { readonly policy: string }) => (
  <Link to="/policies/$" params={{ _splat: policy }}>
    {policy}
  </Link>
);

/** @param cluster name of the cluster */
export const ClusterLink = ({ cluster }: { readonly cluster: string }) => (
  <Link to="/clusters/$name" params={{ name: cluster }}>
    {cluster}
  </Link>
);

/** Link to a stored plan, by its id. */
export const PlanLink = ({ id }: { readonly id: string }) => (
  <Link to="/plan/$id" params={{ id }}>
    <code>{id}</code>
  </Link>
);

interface HubLinkProps {
  /** Path that the hub sent, with its query. */
  readonly path: string;
  readonly children: ReactNode;
}

/** Link to a page of the dashboard, from a path that the hub sent. */
export const HubLink = ({ path, children }: HubLinkProps) => {
  const { pathname, searchParams } = new URL(path, window.location.origin);
  return (
    <Link to={pathname} search={Object.fromEntries(searchParams) as never}>
      {children}
    </Link>
  );
};

/**
 * Link to the progress of a commit through the fleet, with its whole id to copy and its page at the
 * forge, if known.
 */
export const RevisionLink = ({ revision }: { readonly revision: string | null | undefined }) =>
  revision === null || revision === undefined || revision === '' ? (
    <span className="fso-muted">none</span>
  ) : (
    <KnownRevision revision={revision} />
  );

const KnownRevision = ({ revision }: { readonly revision: string }) => {
  const { data: template } = useQuery({ ...statusQuery, select: ({ source }) => source.commitUrl });
  const href = commitUrl(template, revision);
  const short = shortRevision(revision);
  return (
    <span className="fso-revision">
      <Link to="/activity/$revision" params={{ revision }} title={revision}>
        <code>{short}</code>
      </Link>
      <CopyButton text={revision} label={`Copy commit id ${short}`} isIcon />
      {href === undefined ? null : (
        <a href={href} target="_blank" rel="noreferrer" aria-label={`Commit ${short} at the forge (opens a new tab)`}>
          <ExternalLinkAltIcon />
        </a>
      )}
    </span>
  );
};
