import { Form, FormGroup, TextInput } from '@patternfly/react-core';
import { type ReactNode, type SubmitEvent, useId, useState } from 'react';
import { Dialog } from '../../../components/dialog.tsx';

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
