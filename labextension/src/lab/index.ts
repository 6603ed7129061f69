import { commands } from './commands';
import { manager } from './manager';
import { notifications } from './notifications';
import { output } from './output/plugin';
import { sidepanel } from './sidepanel';
import { status } from './status';
import { widget } from './widget';

export default [manager, sidepanel, commands, status, notifications, output, widget];
