import {
  Masthead,
  MastheadBrand,
  MastheadContent,
  MastheadLogo,
  MastheadMain,
  MastheadToggle,
  Page,
  PageSidebar,
  PageSidebarBody,
  PageToggleButton,
  SkipToContent,
  Toolbar,
  ToolbarContent,
  ToolbarItem,
} from '@patternfly/react-core';
import { Link, Outlet, useLocation } from '@tanstack/react-router';
import { useEffect, useRef, useState } from 'react';
import { HasMoved } from '../components/has-moved.ts';
import { Brand } from './brand.tsx';
import { Navigation } from './navigation.tsx';
import { ThemeMenu } from './theme-menu.tsx';

const MAIN = 'main';
const wide = window.matchMedia('(min-width: 75rem)');

const Header = ({ isOpen, onToggle }: { readonly isOpen: boolean; readonly onToggle: () => void }) => (
  <Masthead>
    <MastheadMain>
      <MastheadToggle>
        <PageToggleButton isHamburgerButton aria-label="Pages" isSidebarOpen={isOpen} onSidebarToggle={onToggle} id="pages-toggle" />
      </MastheadToggle>
      <MastheadBrand>
        <MastheadLogo component={(props) => <Link {...props} to="/" aria-label="Federated Sovereignty, overview" />}>
          <Brand />
        </MastheadLogo>
      </MastheadBrand>
    </MastheadMain>
    <MastheadContent>
      <Toolbar isStatic isFullHeight>
        <ToolbarContent>
          <ToolbarItem align={{ default: 'alignEnd' }}>
            <ThemeMenu />
          </ToolbarItem>
        </ToolbarContent>
      </Toolbar>
    </MastheadContent>
  </Masthead>
);

/** Whether another page than the first was shown. */
const useMoved = (): boolean => {
  const { pathname } = useLocation();
  const first = useRef(pathname);
  const [moved, setMoved] = useState(false);
  useEffect(() => {
    if (pathname !== first.current) setMoved(true);
  }, [pathname]);
  return moved || pathname !== first.current;
};

/** What stands around every page. */
export const Shell = () => {
  const [isOpen, setOpen] = useState(wide.matches);
  const moved = useMoved();
  // On a narrow screen the list of pages lies over the page that was chosen from it.
  const onFollow = (): void => {
    if (!wide.matches) setOpen(false);
  };
  return (
    <HasMoved value={moved}>
      <Page
        mainContainerId={MAIN}
        skipToContent={<SkipToContent href={`#${MAIN}`}>Skip to content</SkipToContent>}
        masthead={<Header isOpen={isOpen} onToggle={() => setOpen(!isOpen)} />}
        sidebar={
          <PageSidebar isSidebarOpen={isOpen} id="pages">
            <PageSidebarBody>
              <Navigation onFollow={onFollow} />
            </PageSidebarBody>
          </PageSidebar>
        }
      >
        <Outlet />
      </Page>
    </HasMoved>
  );
};
