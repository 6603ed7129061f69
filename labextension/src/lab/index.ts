import { commands } from './commands';
import { manager } from './manager';
import { notifications } from './notifications';
import { output } from './output/plugin';
import { sidepanel } from './sidepanel';
import { status } from './status';

export default [manager, sidepanel, commands, status, notifications, output];
