-- Nothing to do here: the one process that has the file tells itself.
SELECT 1;
