import { Alert, Button, type ButtonProps, Modal, ModalBody, ModalFooter, ModalHeader, type ModalHeaderProps } from '@patternfly/react-core';
import { type ReactNode, useId } from 'react';

/** Main button of a dialog, which submits a form or calls a function. */
interface Submit extends Pick<ButtonProps, 'variant' | 'form' | 'onClick' | 'isDisabled'> {
  readonly text: string;
  readonly isPending: boolean;
}

interface DialogProps extends Pick<ModalHeaderProps, 'titleIconVariant'> {
  readonly title: string;
  readonly variant?: 'small' | 'medium';
  /** Absent if nothing is left to do. */
  readonly submit?: Submit | undefined;
  /** Title and reason of the alert after a failure; without a reason there is no alert. */
  readonly failure?: readonly [title: string, reason: string | undefined];
  readonly onClose: () => void;
  readonly children: ReactNode;
}

const MainButton = ({ text, isPending, isDisabled = false, form, ...props }: Submit) => (
  <Button variant="primary" {...props} {...(form && { type: 'submit', form })} isLoading={isPending} isDisabled={isDisabled || isPending}>
    {text}
  </Button>
);

/** Dialog with a main button, a button that closes it, and the reason of a failure. */
export const Dialog = ({
  title,
  variant = 'small',
  submit,
  failure: [failed, reason] = ['', undefined],
  onClose,
  children,
  ...icon
}: DialogProps) => {
  const id = useId();
  return (
    <Modal isOpen variant={variant} onClose={onClose} aria-labelledby={`${id}-title`} aria-describedby={`${id}-body`}>
      <ModalHeader title={title} labelId={`${id}-title`} {...icon} />
      <ModalBody id={`${id}-body`}>
        {children}
        {reason === undefined ? null : (
          <Alert isInline isLiveRegion variant="danger" title={failed} component="p">
            {reason}
          </Alert>
        )}
      </ModalBody>
      <ModalFooter>
        {submit === undefined ? null : <MainButton {...submit} />}
        <Button variant="link" onClick={onClose}>
          {submit === undefined ? 'Close' : 'Cancel'}
        </Button>
      </ModalFooter>
    </Modal>
  );
};
