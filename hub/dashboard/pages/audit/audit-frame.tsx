import { PageSection } from '@patternfly/react-core';
import CheckCircleIcon from '@patternfly/react-icons/dist/esm/icons/check-circle-icon';
import ExclamationCircleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { auditVerificationQuery } from '../../api/queries.ts';
import { useScope } from '../../api/session.ts';
import { PageHeader, SubPages } from '../../components/page-header.tsx';
import { type Look, StateLabel } from '../../components/state-label.tsx';

const PAGES = [
  { to: '/audit', text: 'Entries' },
  { to: '/audit/events', text: 'Events of clusters' },
  { to: '/audit/verification', text: 'Verification' },
] as const;

const INTACT: Look = { text: 'Intact according to the hub', icon: CheckCircleIcon, color: 'green' };
const BROKEN: Look = { text: 'Changed', icon: ExclamationCircleIcon, color: 'red' };

/**
 * State of the chain; nothing until the verification is read, as an unknown chain is neither intact
 * nor broken.
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

interface AuditFrameProps {
  readonly description: string;
  readonly children: ReactNode;
}

/** The audit log is of the whole hub: who sees a part of the fleet is led to the events alone. */
export const AuditFrame = ({ description, children }: AuditFrameProps) => {
  const isScoped = useScope() !== undefined;
  return (
    <>
      <PageHeader title={isScoped ? 'Events' : 'Audit log'} description={description} labels={isScoped ? null : <ChainLabel />} />
      {isScoped ? null : <SubPages label="Audit pages" pages={PAGES} />}
      <PageSection hasBodyWrapper={false} isFilled>
        {children}
      </PageSection>
    </>
  );
};
