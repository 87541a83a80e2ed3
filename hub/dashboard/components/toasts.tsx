import { Alert, AlertActionCloseButton, AlertGroup, type AlertProps } from '@patternfly/react-core';
import { useSyncExternalStore } from 'react';

interface Toast {
  readonly id: number;
  readonly variant: NonNullable<AlertProps['variant']>;
  readonly title: string;
}

const SHOWN_MS = 8000;

let toasts: readonly Toast[] = [];
let lastId = 0;
const listeners = new Set<() => void>();

const set = (next: readonly Toast[]): void => {
  toasts = next;
  for (const listener of [...listeners]) listener();
};
const remove = (id: number): void => set(toasts.filter((toast) => toast.id !== id));
const subscribe = (listener: () => void): (() => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

/**
 * Shows the result of an action for a moment, also to screen readers. A failure stays until it is
 * closed.
 */
export const showToast = (toast: Omit<Toast, 'id'>): void => {
  lastId += 1;
  set([...toasts, { ...toast, id: lastId }]);
};

export const Toasts = () => {
  const shown = useSyncExternalStore(subscribe, () => toasts);
  return (
    <AlertGroup isToast isLiveRegion>
      {shown.map(({ id, variant, title }) => (
        <Alert
          key={id}
          variant={variant}
          title={title}
          component="p"
          timeout={variant === 'danger' ? false : SHOWN_MS}
          onTimeout={() => remove(id)}
          actionClose={<AlertActionCloseButton title={title} onClose={() => remove(id)} />}
        />
      ))}
    </AlertGroup>
  );
};
