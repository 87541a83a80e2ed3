import CheckCircleIcon from '@patternfly/react-icons/dist/esm/icons/check-circle-icon';
import ExclamationCircleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ComponentProps } from 'react';
import { auditVerificationQuery } from '../../api/queries.ts';
import { useScope } from '../../api/session.ts';
import { Page } from '../../components/page-header.tsx';
import { type Look, StateLabel } from '../../components/state-label.tsx';

const PAGES = [
  { to: '/audit', text: 'Entries' },
  { to: '/audit/events', text: 'Events of clusters' },
  { to: '/audit/verification', text: 'Verification' },
] as const;

const INTACT: Look = { text: 'Intact according to the hub', icon: CheckCircleIcon, color: 'green' };
const BROKEN: Look = { text: 'Changed', icon: ExclamationCircleIcon, color: 'red' };

/**
 * State of the hash chain. Renders nothing until the verification is read, since an unknown chain
 * is neither intact nor broken.
 */
const ChainLabel = () => {
  const { data } = useQuery(auditVerificationQuery);
  if (data === undefined) return null;
  return (
    <Link to="/audit/verification">
      <StateLabel look={data.ok ? INTACT : BROKEN} prefix="Chain" />
    </Link>
  );
};

/**
 * Frame of the audit pages. The audit log concerns the whole hub: users with a scope get only the
 * events.
 */
export const AuditFrame = (page: Omit<ComponentProps<typeof Page>, 'title'>) =>
  useScope() === undefined ? (
    <Page title="Audit log" labels={<ChainLabel />} parts={['Audit pages', PAGES]} {...page} />
  ) : (
    <Page title="Events" {...page} />
  );
