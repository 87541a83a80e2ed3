import {
  Drawer,
  DrawerActions,
  DrawerCloseButton,
  DrawerContent,
  DrawerContentBody,
  DrawerHead,
  DrawerPanelBody,
  DrawerPanelContent,
  Title,
} from '@patternfly/react-core';
import { type KeyboardEvent, type ReactNode, useEffect, useId, useRef } from 'react';

interface PanelProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ReactNode;
}

/** Takes the focus when it opens, and returns it when it closes. */
const Panel = ({ title, onClose, children }: PanelProps) => {
  const id = useId();
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    const opener = document.activeElement;
    heading.current?.focus({ preventScroll: true });
    return () => {
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus({ preventScroll: true });
    };
  }, []);
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Escape') onClose();
  };
  return (
    <DrawerPanelContent widths={{ default: 'width_100', lg: 'width_50' }} onKeyDown={onKeyDown} role="region" aria-labelledby={id}>
      <DrawerHead>
        <Title headingLevel="h2" size="lg" id={id} ref={heading} tabIndex={-1} className="fso-heading">
          {title}
        </Title>
        <DrawerActions>
          <DrawerCloseButton onClose={onClose} aria-label="Close the details" />
        </DrawerActions>
      </DrawerHead>
      <DrawerPanelBody>{children}</DrawerPanelBody>
    </DrawerPanelContent>
  );
};

export interface DetailDrawerProps {
  /** Title and content of the open detail; undefined if none is open. */
  readonly detail: { readonly key: string; readonly title: string; readonly content: ReactNode } | undefined;
  readonly onClose: () => void;
  /** List beside the detail. */
  readonly children: ReactNode;
}

/**
 * List, with one of its rows in full beside it (on a narrow screen over it). Escape closes the row.
 */
export const DetailDrawer = ({ detail, onClose, children }: DetailDrawerProps) => (
  <Drawer isExpanded={detail !== undefined} className="fso-detail">
    <DrawerContent
      panelContent={
        detail === undefined ? null : (
          <Panel key={detail.key} title={detail.title} onClose={onClose}>
            {detail.content}
          </Panel>
        )
      }
    >
      <DrawerContentBody>{children}</DrawerContentBody>
    </DrawerContent>
  </Drawer>
);
