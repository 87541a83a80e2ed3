import type { EnrolmentTokenView } from '@fso/shared/api';
import { Alert, Button, ClipboardCopy, Modal, ModalBody, ModalFooter, ModalHeader } from '@patternfly/react-core';
import { useMutation } from '@tanstack/react-query';
import { createEnrolmentToken } from '../../api/mutations.ts';
import { RelativeTime } from '../../components/text.tsx';
import { enrolCommands } from './commands.ts';

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
      {enrolCommands(made)}
    </ClipboardCopy>
  </>
);

interface ModalProps {
  readonly cluster: string;
  readonly onClose: () => void;
}

/** Makes a token, shows it, and forgets it when it is closed. */
export const TokenModal = ({ cluster, onClose }: ModalProps) => {
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
