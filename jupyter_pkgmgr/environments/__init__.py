"""Which environment: from an interpreter, a kernelspec or a living kernel; its policies; its tools' settings."""
