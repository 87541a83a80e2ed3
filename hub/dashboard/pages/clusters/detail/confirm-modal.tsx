import { Alert, Button, Form, FormGroup, Modal, ModalBody, ModalFooter, ModalHeader, TextInput } from '@patternfly/react-core';
import { type ReactNode, type SubmitEvent, useId, useState } from 'react';

interface ConfirmModalProps {
  readonly cluster: string;
  /** Label of the button, e.g. "Revoke". */
  readonly action: string;
  /** Explains the consequences. */
  readonly children: ReactNode;
  /** A choice below the name. */
  readonly option?: ReactNode;
  /** Title of the alert where it failed. */
  readonly failure: string;
  readonly mutation: { readonly mutate: () => void; readonly isPending: boolean; readonly error: Error | null };
  readonly onClose: () => void;
}

/** Asks for the name of the cluster, so that a wrong one is not confirmed by accident. */
export const ConfirmModal = ({ cluster, action, children, option, failure, mutation, onClose }: ConfirmModalProps) => {
  const [typed, setTyped] = useState('');
  const id = useId();
  const isMeant = typed === cluster;
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    if (isMeant) mutation.mutate();
  };
  return (
    <Modal isOpen variant="small" onClose={onClose} aria-labelledby={`${id}-title`} aria-describedby={`${id}-body`}>
      <ModalHeader title={`${action} ${cluster}?`} titleIconVariant="warning" labelId={`${id}-title`} />
      <ModalBody id={`${id}-body`}>
        <p>{children}</p>
        <Form id={`${id}-form`} onSubmit={submit} className="fso-step">
          <FormGroup label={`Type ${cluster} to confirm`} fieldId={`${id}-name`}>
            <TextInput id={`${id}-name`} value={typed} onChange={(_event, text) => setTyped(text)} autoComplete="off" spellCheck={false} />
          </FormGroup>
          {option}
        </Form>
        {mutation.error === null ? null : (
          <Alert isInline isLiveRegion variant="danger" title={failure} component="p">
            {mutation.error.message}
          </Alert>
        )}
      </ModalBody>
      <ModalFooter>
        <Button
          variant="danger"
          type="submit"
          form={`${id}-form`}
          isLoading={mutation.isPending}
          isDisabled={!isMeant || mutation.isPending}
        >
          {action}
        </Button>
        <Button variant="link" onClick={onClose}>
          Cancel
        </Button>
      </ModalFooter>
    </Modal>
  );
};
