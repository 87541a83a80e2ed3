import { Alert, Button, Form, FormGroup, Modal, ModalBody, ModalFooter, ModalHeader, TextInput } from '@patternfly/react-core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type SubmitEvent, useState } from 'react';
import { revokeCluster } from '../../api/enrolment.ts';
import { keys } from '../../api/keys.ts';
import { showToast } from '../../components/toasts.tsx';

interface ModalProps {
  readonly cluster: string;
  readonly onClose: () => void;
}

const useRevoke = ({ cluster, onClose }: ModalProps) => {
  const client = useQueryClient();
  return useMutation({
    mutationFn: () => revokeCluster(cluster),
    onSuccess: async () => {
      showToast({ variant: 'success', title: `${cluster} is revoked` });
      onClose();
      await client.invalidateQueries({ queryKey: keys.clusters.all });
    },
  });
};

/** Asks for the name of the cluster, as nothing else says that this one is meant. */
export const RevokeModal = ({ cluster, onClose }: ModalProps) => {
  const [typed, setTyped] = useState('');
  const revoke = useRevoke({ cluster, onClose });
  const isMeant = typed === cluster;
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    if (isMeant) revoke.mutate();
  };
  return (
    <Modal isOpen variant="small" onClose={onClose} aria-labelledby="revoke-title" aria-describedby="revoke-body">
      <ModalHeader title={`Revoke ${cluster}?`} titleIconVariant="warning" labelId="revoke-title" />
      <ModalBody id="revoke-body">
        <p>
          Its certificates and tokens are worth nothing any more, and its stream is closed. The cluster goes on enforcing what it has, and
          the hub hears nothing of it until it enrols anew with a new token.
        </p>
        <Form id="revoke-form" onSubmit={submit} className="fso-step">
          <FormGroup label={`Type ${cluster} to confirm`} fieldId="revoke-name">
            <TextInput id="revoke-name" value={typed} onChange={(_event, text) => setTyped(text)} autoComplete="off" spellCheck={false} />
          </FormGroup>
        </Form>
        {revoke.isError ? (
          <Alert isInline isLiveRegion variant="danger" title="It was not revoked" component="p">
            {revoke.error.message}
          </Alert>
        ) : null}
      </ModalBody>
      <ModalFooter>
        <Button variant="danger" type="submit" form="revoke-form" isLoading={revoke.isPending} isDisabled={!isMeant || revoke.isPending}>
          Revoke
        </Button>
        <Button variant="link" onClick={onClose}>
          Cancel
        </Button>
      </ModalFooter>
    </Modal>
  );
};
