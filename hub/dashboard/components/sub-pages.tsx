import { Nav, NavItem, NavList, PageSection } from '@patternfly/react-core';
import { Link, type LinkProps, useLocation } from '@tanstack/react-router';

interface SubPagesProps {
  /** Accessible name. */
  readonly label: string;
  readonly pages: readonly { readonly to: NonNullable<LinkProps['to']>; readonly text: string }[];
}

/** Links to the parts of a page, each with a URL of its own. */
export const SubPages = ({ label, pages }: SubPagesProps) => {
  const { pathname } = useLocation();
  return (
    <PageSection hasBodyWrapper={false} type="subnav" className="fso-sub-pages">
      <Nav aria-label={label} variant="horizontal-subnav">
        <NavList>
          {pages.map(({ to, text }) => (
            <NavItem key={to} isActive={pathname === to}>
              <Link to={to} {...(pathname === to ? { 'aria-current': 'page' as const } : {})}>
                {text}
              </Link>
            </NavItem>
          ))}
        </NavList>
      </Nav>
    </PageSection>
  );
};
