import type { ButtonHTMLAttributes } from 'react';

import type { IconName } from './icons';
import { Icon } from './icons';

interface IButtonProps extends Omit<ButtonHTMLAttributes<HTMLButtonElement>, 'type'> {
  kind?: 'primary' | 'plain' | 'danger' | 'quiet';
  icon?: IconName;
}

/**
 * A button; without children its `aria-label` is also what the pointer shows.
 *
 * One that is off does nothing, but stays where the keyboard is: a `disabled` one would lose the focus.
 */
export function Button({
  kind = 'plain',
  icon,
  className,
  disabled = false,
  onClick,
  children,
  ...rest
}: IButtonProps) {
  const bare = children === undefined;
  const classes = ['jpkg-Button', `jpkg-mod-${kind}`, bare ? 'jpkg-mod-icon' : '', className ?? ''];
  return (
    <button
      type="button"
      title={bare ? rest['aria-label'] : undefined}
      className={classes.filter(Boolean).join(' ')}
      aria-disabled={disabled || undefined}
      onClick={disabled ? undefined : onClick}
      {...rest}
    >
      {icon && <Icon name={icon} />}
      {children !== undefined && <span className="jpkg-Button-text">{children}</span>}
    </button>
  );
}
