import { type ClusterView, ENROL_NOTES, type EnrolmentTokenView, formatEnrolCommands } from '@fso/shared/api';
import { Alert, Checkbox, ClipboardCopy, Content, Flex, Form, FormGroup, TextInput } from '@patternfly/react-core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type ReactNode, type SubmitEvent, useId, useState } from 'react';
import { createEnrolmentToken, forgetCluster, revokeCluster } from '../../../api/client.ts';
import { keys } from '../../../api/keys.ts';
import { Copyable, RoleButton } from '../../../components/buttons.tsx';
import { Dialog } from '../../../components/dialog.tsx';
import { RelativeTime, SectionCard } from '../../../components/text.tsx';
import { showToast } from '../../../components/toasts.tsx';
import { isRetired } from '../../../lib/health.ts';

interface ConfirmModalProps {
  readonly cluster: string;
  /** Label of the button, e.g. "Revoke". */
  readonly action: string;
  /** Explains the consequences. */
  readonly children: ReactNode;
  /** Option below the name. */
  readonly option?: ReactNode;
  /** Title of the alert after a failure. */
  readonly failure: string;
  readonly mutation: { readonly mutate: () => void; readonly isPending: boolean; readonly error: Error | null };
  readonly onClose: () => void;
}

/** Dialog in which the name of the cluster must be typed, so that none is confirmed by accident. */
const ConfirmModal = ({ cluster, action, children, option, failure, mutation, onClose }: ConfirmModalProps) => {
  const [typed, setTyped] = useState('');
  const id = useId();
  const isConfirmed = typed === cluster;
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    if (isConfirmed) mutation.mutate();
  };
  return (
    <Dialog
      title={`${action} ${cluster}?`}
      titleIconVariant="warning"
      submit={{ text: action, variant: 'danger', form: `${id}-form`, isDisabled: !isConfirmed, isPending: mutation.isPending }}
      failure={[failure, mutation.error?.message]}
      onClose={onClose}
    >
      <p>{children}</p>
      <Form id={`${id}-form`} onSubmit={submit} className="fso-step">
        <FormGroup label={`Type ${cluster} to confirm`} fieldId={`${id}-name`}>
          <TextInput id={`${id}-name`} value={typed} onChange={(_event, text) => setTyped(text)} autoComplete="off" spellCheck={false} />
        </FormGroup>
        {option}
      </Form>
    </Dialog>
  );
};

const Made = ({ made }: { readonly made: EnrolmentTokenView }) => (
  <>
    <Alert isInline variant="warning" title="The token is shown only once" component="p">
      It works once and expires <RelativeTime time={made.expires} />. Anyone who has it can enrol as this cluster: handle it like a
      password.
    </Alert>
    <p className="fso-step">The token:</p>
    <Copyable label="Token" isCode={false}>
      {made.token}
    </Copyable>
    <p className="fso-step">Run these commands in the cluster:</p>
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
    <Content component="ul" className="fso-step">
      {ENROL_NOTES.map((note) => (
        <Content component="li" key={note}>
          {note}
        </Content>
      ))}
    </Content>
  </>
);

interface EnrolmentModalProps {
  readonly cluster: string;
  readonly onClose: () => void;
}

/** Creates a token, shows it, and forgets it when the dialog closes. */
const TokenModal = ({ cluster, onClose }: EnrolmentModalProps) => {
  const make = useMutation({ mutationFn: () => createEnrolmentToken(cluster), gcTime: 0 });
  return (
    <Dialog
      title={`Enrolment token for ${cluster}`}
      variant="medium"
      submit={make.isSuccess ? undefined : { text: 'Create the token', onClick: () => make.mutate(), isPending: make.isPending }}
      failure={['The token was not created', make.error?.message]}
      onClose={onClose}
    >
      {make.data === undefined ? (
        <p>The agent uses the token once to get a certificate. Creating a token invalidates an earlier one that was not used.</p>
      ) : (
        <Made made={make.data} />
      )}
    </Dialog>
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
    <ConfirmModal cluster={cluster} action="Revoke" failure="The cluster was not revoked" mutation={revoke} onClose={onClose}>
      This invalidates its certificates and tokens and closes its stream. The cluster keeps enforcing its policies, and the hub gets no
      reports until the agent enrols again with a new token.
    </ConfirmModal>
  );
};

const ForgetModal = ({ cluster, onClose }: { readonly cluster: string; readonly onClose: () => void }) => {
  const client = useQueryClient();
  const navigate = useNavigate();
  const [isForced, setForced] = useState(false);
  const forget = useMutation({
    mutationFn: () => forgetCluster(cluster, isForced),
    onSuccess: async () => {
      showToast({ variant: 'success', title: `${cluster} is forgotten` });
      // The page of the cluster has nothing to show any more.
      await navigate({ to: '/clusters' });
      await client.invalidateQueries({ queryKey: keys.clusters.all });
    },
  });
  return (
    <ConfirmModal
      cluster={cluster}
      action="Forget"
      failure="The cluster was not forgotten"
      mutation={forget}
      onClose={onClose}
      option={
        forget.error === null && !isForced ? null : (
          <Checkbox
            id="force"
            label="Also before the hub has read the repository"
            description="It cannot tell then whether the cluster is registered. A registered one has to enrol again."
            isChecked={isForced}
            onChange={(_event, checked) => setForced(checked)}
          />
        )
      }
    >
      This removes its last report and invalidates its certificates and tokens. Its events and audit entries stay.
    </ConfirmModal>
  );
};

const EXPLANATION = {
  Connected:
    'The agent identifies itself with a certificate that it renews by itself. It needs a new token only to enrol again, for example after its Secret is lost.',
  Disconnected:
    'An agent that was away for up to 30 days reconnects with its certificate. An agent that lost its certificate needs a new enrolment token.',
  NeverSeen: 'The agent needs an enrolment token once: it creates its own key and gets a certificate for it.',
} as const;

/** Enrolment and revocation of a cluster. For administrators. */
export const EnrolmentCard = ({ cluster }: { readonly cluster: ClusterView }) => {
  const { name, connection } = cluster;
  const [open, setOpen] = useState<'token' | 'revoke' | 'forget'>();
  const close = (): void => setOpen(undefined);
  return (
    <SectionCard title="Enrolment">
      <Content component="p">{EXPLANATION[connection]}</Content>
      <Flex columnGap={{ default: 'columnGapSm' }} rowGap={{ default: 'rowGapSm' }}>
        <RoleButton needs="admin" variant="secondary" onClick={() => setOpen('token')}>
          Create an enrolment token
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
    </SectionCard>
  );
};
