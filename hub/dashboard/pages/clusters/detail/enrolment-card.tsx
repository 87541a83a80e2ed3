import type { ClusterView, EnrolmentTokenView } from '@fso/shared/api';
import { Alert, Button, ClipboardCopy, Content, Flex, Modal, ModalBody, ModalFooter, ModalHeader } from '@patternfly/react-core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { keys } from '../../../api/keys.ts';
import { createEnrolmentToken, forgetCluster, revokeCluster } from '../../../api/mutations.ts';
import { RoleButton } from '../../../components/buttons.tsx';
import { RelativeTime } from '../../../components/text.tsx';
import { showToast } from '../../../components/toasts.tsx';
import { formatEnrolCommands } from '../../../lib/commands.ts';
import { isRetired } from '../../../lib/health.ts';
import { Section } from './cluster-cards.tsx';
import { ConfirmModal } from './confirm-modal.tsx';

const Made = ({ made }: { readonly made: EnrolmentTokenView }) => (
  <>
    <Alert isInline variant="warning" title="The token is shown this once" component="p">
      Good once, until <RelativeTime time={made.expires} />. Who has it can be this cluster: hand it over as you would a password.
    </Alert>
    <p className="fso-step">Run in the cluster:</p>
    <ClipboardCopy
      isCode
      isExpanded
      isReadOnly
      variant="expansion"
      hoverTip="Copy"
      clickTip="Copied"
      textAriaLabel="Commands for the cluster"
    >
      {formatEnrolCommands(made)}
    </ClipboardCopy>
  </>
);

interface EnrolmentModalProps {
  readonly cluster: string;
  readonly onClose: () => void;
}

/** Makes a token, shows it, and forgets it when it is closed. */
const TokenModal = ({ cluster, onClose }: EnrolmentModalProps) => {
  const make = useMutation({ mutationFn: () => createEnrolmentToken(cluster), gcTime: 0 });
  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby="token-title" aria-describedby="token-body">
      <ModalHeader title={`Enrolment token for ${cluster}`} labelId="token-title" />
      <ModalBody id="token-body">
        {make.data === undefined ? (
          <p>The agent shows it once and gets a certificate. A token that was made before and not used is worth nothing any more.</p>
        ) : (
          <Made made={make.data} />
        )}
        {make.isError ? (
          <Alert isInline isLiveRegion variant="danger" title="No token was made" component="p">
            {make.error.message}
          </Alert>
        ) : null}
      </ModalBody>
      <ModalFooter>
        {make.data === undefined ? (
          <Button variant="primary" isLoading={make.isPending} isDisabled={make.isPending} onClick={() => make.mutate()}>
            Make the token
          </Button>
        ) : null}
        <Button variant="link" onClick={onClose}>
          {make.data === undefined ? 'Cancel' : 'Close'}
        </Button>
      </ModalFooter>
    </Modal>
  );
};

const RevokeModal = ({ cluster, onClose }: { readonly cluster: string; readonly onClose: () => void }) => {
  const client = useQueryClient();
  const revoke = useMutation({
    mutationFn: () => revokeCluster(cluster),
    onSuccess: async () => {
      showToast({ variant: 'success', title: `${cluster} is revoked` });
      onClose();
      await client.invalidateQueries({ queryKey: keys.clusters.all });
    },
  });
  return (
    <ConfirmModal cluster={cluster} action="Revoke" failure="It was not revoked" mutation={revoke} onClose={onClose}>
      Its certificates and tokens are worth nothing any more, and its stream is closed. The cluster goes on enforcing what it has, and the
      hub hears nothing of it until it enrols anew with a new token.
    </ConfirmModal>
  );
};

const ForgetModal = ({ cluster, onClose }: { readonly cluster: string; readonly onClose: () => void }) => {
  const client = useQueryClient();
  const navigate = useNavigate();
  const forget = useMutation({
    mutationFn: () => forgetCluster(cluster),
    onSuccess: async () => {
      showToast({ variant: 'success', title: `${cluster} is forgotten` });
      // Its page has nothing to show any more.
      await navigate({ to: '/clusters' });
      await client.invalidateQueries({ queryKey: keys.clusters.all });
    },
  });
  return (
    <ConfirmModal cluster={cluster} action="Forget" failure="It was not forgotten" mutation={forget} onClose={onClose}>
      What it last reported is removed, and its certificates and tokens are worth nothing any more. Its events and what the audit log says
      of it stay.
    </ConfirmModal>
  );
};

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
