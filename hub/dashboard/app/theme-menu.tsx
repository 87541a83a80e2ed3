import { ToggleGroup, ToggleGroupItem } from '@patternfly/react-core';
import AdjustIcon from '@patternfly/react-icons/dist/esm/icons/adjust-icon';
import MoonIcon from '@patternfly/react-icons/dist/esm/icons/moon-icon';
import SunIcon from '@patternfly/react-icons/dist/esm/icons/sun-icon';
import { useSyncExternalStore } from 'react';
import { getTheme, onThemeChange, setTheme, THEMES, type Theme } from '../lib/theme.ts';

const LOOKS: Readonly<Record<Theme, { icon: typeof SunIcon; label: string }>> = {
  system: { icon: AdjustIcon, label: 'Colours as the system has them' },
  light: { icon: SunIcon, label: 'Light' },
  dark: { icon: MoonIcon, label: 'Dark' },
};

export const ThemeMenu = () => {
  const theme = useSyncExternalStore(onThemeChange, getTheme);
  return (
    <ToggleGroup aria-label="Theme" isCompact>
      {THEMES.map((name) => {
        const { icon: Icon, label } = LOOKS[name];
        return (
          <ToggleGroupItem
            key={name}
            buttonId={`theme-${name}`}
            aria-label={label}
            icon={<Icon />}
            isSelected={theme === name}
            onChange={() => setTheme(name)}
          />
        );
      })}
    </ToggleGroup>
  );
};
