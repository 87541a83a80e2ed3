import { Alert, Button, Skeleton } from '@patternfly/react-core';
import { Component, type ReactNode, Suspense } from 'react';

interface LazyPartProps {
  /** Name of the part, e.g. `the map`. */
  readonly what: string;
  /** Class of the placeholder, which has the size of the part. */
  readonly className: string;
  readonly children: ReactNode;
}

interface LazyPartState {
  readonly failed: boolean;
}

/**
 * Part of a page that is loaded after the page. If loading fails (the hub is unreachable, or was
 * updated since), the page works without the part.
 */
export class LazyPart extends Component<LazyPartProps, LazyPartState> {
  override state: LazyPartState = { failed: false };

  static getDerivedStateFromError(): LazyPartState {
    return { failed: true };
  }

  override render(): ReactNode {
    const { what, className, children } = this.props;
    if (this.state.failed) {
      return (
        <Alert
          isInline
          variant="warning"
          component="p"
          title={`Could not load ${what}`}
          actionLinks={
            <Button variant="link" isInline onClick={() => window.location.reload()}>
              Reload the page
            </Button>
          }
        >
          The text beside it has the same content.
        </Alert>
      );
    }
    return (
      <Suspense
        fallback={
          <div className={className} role="status" aria-label={`Loading ${what}`}>
            <Skeleton height="100%" />
          </div>
        }
      >
        {children}
      </Suspense>
    );
  }
}
