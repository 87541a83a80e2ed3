import { Alert, Button, Skeleton } from '@patternfly/react-core';
import { Component, type ReactNode, Suspense } from 'react';

interface LazyPartProps {
  /** Name of the part, e.g. `the map`. */
  readonly what: string;
  /** Class of the placeholder, which is as large as the part. */
  readonly className: string;
  readonly children: ReactNode;
}

interface LazyPartState {
  readonly failed: boolean;
}

/**
 * A part of a page that is loaded after the page. If it does not come (the hub is gone, or was
 * updated since the page was loaded) or fails, the page goes on without it.
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
