"""Everything pitboss keeps on disk: names, formats, durable writes, and readers that survive damage."""
