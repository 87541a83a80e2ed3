import type { ClusterView } from '@fso/shared/api';
import { Content, Flex } from '@patternfly/react-core';
import { useState } from 'react';
import { RoleButton } from '../../components/buttons.tsx';
import { isRetired } from '../../lib/health.ts';
import { ForgetModal } from './forget-modal.tsx';
import { RevokeModal } from './revoke-modal.tsx';
import { Section } from './section.tsx';
import { TokenModal } from './token-modal.tsx';

const EXPLANATION = {
  Connected:
    'The agent proves who it is with a certificate that it renews by itself. With a new token it can enrol anew, for example after its Secret was lost.',
  Disconnected:
    'An agent that was away for up to 30 days comes back with the certificate that it has. One that lost it needs a new enrolment token.',
  NeverSeen: 'The agent needs an enrolment token, once: it makes its own key and gets a certificate for it.',
} as const;

/** How the cluster comes to prove itself, and how that is ended. For administrators. */
export const EnrolmentCard = ({ cluster }: { readonly cluster: ClusterView }) => {
  const { name, connection } = cluster;
  const [open, setOpen] = useState<'token' | 'revoke' | 'forget'>();
  const close = (): void => setOpen(undefined);
  return (
    <Section title="Enrolment">
      <Content component="p">{EXPLANATION[connection]}</Content>
      <Flex columnGap={{ default: 'columnGapSm' }} rowGap={{ default: 'rowGapSm' }}>
        <RoleButton needs="admin" variant="secondary" onClick={() => setOpen('token')}>
          Make an enrolment token
        </RoleButton>
        <RoleButton needs="admin" variant="danger" onClick={() => setOpen('revoke')}>
          Revoke
        </RoleButton>
        {isRetired(cluster) ? (
          <RoleButton needs="admin" variant="danger" onClick={() => setOpen('forget')}>
            Forget
          </RoleButton>
        ) : null}
      </Flex>
      {open === 'token' ? <TokenModal cluster={name} onClose={close} /> : null}
      {open === 'revoke' ? <RevokeModal cluster={name} onClose={close} /> : null}
      {open === 'forget' ? <ForgetModal cluster={name} onClose={close} /> : null}
    </Section>
  );
};
